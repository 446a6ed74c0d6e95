"""How a run executes on a machine. Never part of a run's name. Pure."""

from dataclasses import dataclass
from enum import StrEnum

from orchestrator.spec.checks import check_at_least, check_positive
from orchestrator.spec.parallel import Recompute, Sharding


class Device(StrEnum):
    """What a run computes on."""

    CPU = "cpu"
    CUDA = "cuda"


class Precision(StrEnum):
    """Floating-point format of matrix products; weights and loss stay in fp32."""

    FP32 = "fp32"
    BF16 = "bf16"


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """Device, precision and memory-saving choices of a job.

    Raises:
        ConfigError: if a value lies outside the range stated below.
    """

    device: Device = Device.CPU
    """What it computes on."""
    precision: Precision = Precision.FP32
    """Format of matrix products."""
    threads: int = 1
    """CPU threads. At least 1."""
    accumulation: int = 1
    """Micro-batches per optimizer step. At least 1."""
    sharding: Sharding = Sharding.REPLICATED
    """Where weights, gradients and optimizer state lie, if several processes make an attempt."""
    recompute: Recompute = Recompute.NOTHING
    """Which activations the backward pass computes again."""
    compile: bool = False
    """Whether blocks are compiled (`torch.compile`): faster steps, a slow start."""
    memory_gib: float | None = None
    """Host memory that each process may take, in GiB; None for no limit of ours. Above 0."""

    def __post_init__(self) -> None:
        check_at_least("threads", self.threads, 1)
        check_at_least("accumulation", self.accumulation, 1)
        if self.memory_gib is not None:
            check_positive("memory_gib", self.memory_gib)
