"""How a run is spread over devices. Never part of a run's name. Pure."""

from dataclasses import dataclass
from enum import StrEnum

from orchestrator.spec.checks import check_at_least


class Sharding(StrEnum):
    """Where weights, gradients and optimizer state lie."""

    REPLICATED = "replicated"
    """Whole on every device (DDP)."""
    SHARDED = "sharded"
    """Cut over all devices (FSDP2), gathered layer by layer."""


class Recompute(StrEnum):
    """Which activations are computed again in the backward pass."""

    NOTHING = "nothing"
    BLOCKS = "blocks"
    """Each block keeps its input alone (activation checkpointing)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parallelism:
    """One layout of a run over devices.

    Raises:
        ConfigError: if a value lies outside the range stated below.
    """

    gpus: int = 1
    """Devices, all data-parallel. At least 1."""
    micro_batch: int = 1
    """Sequences per device and forward pass; the rest of the batch is accumulated. At least 1."""
    sharding: Sharding = Sharding.REPLICATED
    """Where the training state lies."""
    recompute: Recompute = Recompute.NOTHING
    """What the backward pass computes again."""

    def __post_init__(self) -> None:
        check_at_least("gpus", self.gpus, 1)
        check_at_least("micro_batch", self.micro_batch, 1)

    def __str__(self) -> str:
        """Write it as a study or a person would, its defaults left out."""
        words = [f"gpus: {self.gpus}", f"micro_batch: {self.micro_batch}"]
        if self.sharding is not Sharding.REPLICATED:
            words.append(f"sharding: {self.sharding}")
        if self.recompute is not Recompute.NOTHING:
            words.append(f"recompute: {self.recompute}")
        return "{" + ", ".join(words) + "}"
