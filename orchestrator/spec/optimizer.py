"""AdamW and what goes with it. Pure."""

from dataclasses import dataclass
from enum import StrEnum

from orchestrator.spec.checks import check_at_least, check_positive, check_share
from orchestrator.spec.guard import Guard


class Decay(StrEnum):
    """Which weights are decayed."""

    ALL = "all"
    """Every weight, as OpenLM does."""
    MATRICES = "matrices"
    """Weights of two or more dimensions, as Prismatic does."""


class OptimizerState(StrEnum):
    """What a branch does with its parent's optimizer state."""

    KEEP = "keep"
    DROP = "drop"


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimizerConfig:
    """AdamW and what goes with it. Defaults: OpenLM's released scaling runs.

    Raises:
        ConfigError: if a value lies outside the range stated below.
    """

    beta1: float = 0.9
    """Decay of the gradient's mean, in [0, 1]."""
    beta2: float = 0.95
    """Decay of the squared gradient's mean, in [0, 1]."""
    eps: float = 1e-8
    """Added to the denominator. Above 0."""
    weight_decay: float = 0.033
    """Decoupled decay, multiplied by the learning rate. At least 0."""
    decay: Decay = Decay.ALL
    """Which weights are decayed."""
    grad_clip: float = 1.0
    """Largest global L2 norm of the gradient. Above 0."""
    z_loss: float = 0.0
    """Weight of the mean squared log-partition, over supervised positions. At least 0."""
    guard: Guard = Guard()
    """What is done about steps that would harm the model."""

    def __post_init__(self) -> None:
        check_share("beta1", self.beta1)
        check_share("beta2", self.beta2)
        check_positive("eps", self.eps)
        check_at_least("weight_decay", self.weight_decay, 0)
        check_positive("grad_clip", self.grad_clip)
        check_at_least("z_loss", self.z_loss, 0)
