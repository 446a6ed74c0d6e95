"""What is done about steps that would harm a model. Pure."""

from dataclasses import dataclass
from enum import StrEnum

from orchestrator.spec.checks import check_at_least, check_positive


class BadStep(StrEnum):
    """The answer to a bad step."""

    STOP = "stop"
    """The run ends as diverged."""
    SKIP = "skip"
    """Weights and optimizer stay as they are, and the next batch is taken."""
    REWIND = "rewind"
    """Weights and optimizer go back by at least `rewind_steps`, and the batches since then are left
    out, the bad one included (Chowdhery et al. 2022, arXiv:2204.02311, section 5.1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """Which steps are bad, and what is done about them: part of what decides the weights.

    A step is bad if its loss or gradient norm is no number, or, where `spike_sigmas` is given, if
    one of them lies that many standard deviations above its mean over the last good steps.

    Raises:
        ConfigError: if a value lies outside the range stated below.
    """

    bad_step: BadStep = BadStep.STOP
    """The answer."""
    spike_sigmas: float | None = None
    """Standard deviations above the mean that make a spike; None where only numbers that are none
    are bad. Above 0; spikes of training stand out by 6 and more."""
    window: int = 128
    """Good steps that mean and deviation are taken over; nothing is a spike before half of them
    are there. At least 4."""
    rewind_steps: int = 100
    """Least steps to go back, and steps between the checkpoints kept for it. At least 1."""
    most: int = 10
    """Bad steps that are forgiven since the first step; one more, and the run ends as diverged. At
    least 1."""

    def __post_init__(self) -> None:
        if self.spike_sigmas is not None:
            check_positive("spike_sigmas", self.spike_sigmas)
        check_at_least("window", self.window, 4)
        check_at_least("rewind_steps", self.rewind_steps, 1)
        check_at_least("most", self.most, 1)
