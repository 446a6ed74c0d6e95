"""Learning rates as a function of the position in training. Pure.

A schedule is a chain of phases on one axis: tokens seen in pre-training, examples seen in
fine-tuning. It is defined over the whole of training, so that it does not depend on how a trunk is
cut into segments or how often a run is resumed.
"""

import math
from dataclasses import dataclass, replace
from enum import StrEnum

from orchestrator.errors import ConfigError
from orchestrator.spec.checks import check_at_least


class Shape(StrEnum):
    """How a phase goes from `start` to `end`."""

    WARMUP = "warmup"
    """Linear, reaching `end` at the phase's last step (OpenLM: step s of w has (s + 1) / w)."""
    COSINE = "cosine"
    """Half a cosine, at `start` on the phase's first step."""
    EXPONENTIAL = "exponential"
    """A constant factor per step, at `start` on the phase's first step; both ends above 0."""
    LINEAR = "linear"
    """A straight line, at `start` on the phase's first step."""
    CONSTANT = "constant"
    """`start` throughout; `end` equals it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """A piece of a schedule.

    Raises:
        ConfigError: if a learning rate is negative or the length below 1.
    """

    shape: Shape
    """How the learning rate moves."""
    length: int
    """Tokens (or examples) that the phase lasts. At least 1."""
    start: float
    """Learning rate at its beginning. At least 0."""
    end: float
    """Learning rate at its end. At least 0."""

    def __post_init__(self) -> None:
        check_at_least("length", self.length, 1)
        check_at_least("start", self.start, 0)
        check_at_least("end", self.end, 0)
        if self.shape is Shape.CONSTANT and self.start != self.end:
            raise ConfigError(
                f"a constant phase starts at {self.start} and ends at {self.end}",
                where="end",
                mend="give both the same learning rate, or another shape",
            )
        if self.shape is Shape.EXPONENTIAL and not min(self.start, self.end) > 0:
            raise ConfigError(
                f"an exponential phase goes from {self.start} to {self.end}",
                where="end",
                mend="give learning rates above 0, or another shape",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """Phases one after the other; past the last one the learning rate stays at its end."""

    phases: tuple[Phase, ...]
    """At least one."""

    def __post_init__(self) -> None:
        if not self.phases:
            raise ConfigError("a schedule has no phase", "phases", "give at least one phase")

    @classmethod
    def flat(cls, learning_rate: float) -> "Schedule":
        """Return a schedule that stays where it is."""
        phase = Phase(shape=Shape.CONSTANT, length=1, start=learning_rate, end=learning_rate)
        return cls(phases=(phase,))

    @property
    def length(self) -> int:
        """Tokens (or examples) of all phases."""
        return sum(phase.length for phase in self.phases)

    def until(self, position: int) -> "Schedule":
        """Return what decides the learning rate of the first `position` tokens, and no more.

        Phases that begin later are left out and a constant one ends there, so that two schedules
        that agree up to a point are equal up to it.

        Args:
            position: tokens (or examples), at least 1.
        """
        phases: list[Phase] = []
        begin = 0
        for phase in self.phases:
            if begin >= position:
                break
            if phase.shape is Shape.CONSTANT and begin + phase.length > position:
                phase = replace(phase, length=position - begin)
            phases.append(phase)
            begin += phase.length
        return Schedule(phases=tuple(phases))

    def common(self, other: "Schedule") -> int:
        """Return the tokens (or examples) over which two schedules are the same."""
        shared = 0
        for mine, theirs in zip(self.phases, other.phases, strict=False):
            if mine != theirs:
                both = {mine.shape, theirs.shape}
                is_held = both == {Shape.CONSTANT} and mine.start == theirs.start
                return shared + min(mine.length, theirs.length) if is_held else shared
            shared += mine.length
        return shared

    def learning_rate(self, position: int, batch: int) -> float:
        """Return the learning rate of one optimizer step.

        Args:
            position: tokens (or examples) seen before the step.
            batch: tokens (or examples) of the step.
        """
        for phase in self.phases:
            if position < phase.length:
                return _within(phase, position, batch)
            position -= phase.length
        return self.phases[-1].end


def _within(phase: Phase, position: int, batch: int) -> float:
    if phase.shape is Shape.CONSTANT:
        return phase.start
    if phase.shape is Shape.WARMUP:
        share = min(1.0, (position + batch) / phase.length)
    else:
        share = position / phase.length
    if phase.shape is Shape.COSINE:
        return phase.end + 0.5 * (1 + math.cos(math.pi * share)) * (phase.start - phase.end)
    if phase.shape is Shape.EXPONENTIAL:
        return phase.start * (phase.end / phase.start) ** share
    return phase.start + share * (phase.end - phase.start)


def warmup_cosine(*, peak: float, final: float, warmup: int, length: int) -> Schedule:
    """Return OpenLM's default schedule: linear warm-up from zero, then half a cosine to `final`.

    Raises:
        ConfigError: if the warm-up is not shorter than the whole.
    """
    return rewarm(start=0.0, peak=peak, final=final, warmup=warmup, length=length)


def rewarm(*, start: float, peak: float, final: float, warmup: int, length: int) -> Schedule:
    """Return a linear warm-up from `start` to `peak`, then half a cosine to `final`.

    Raises:
        ConfigError: if the warm-up is not shorter than the whole.
    """
    if not 0 <= warmup < length:
        raise ConfigError(
            f"the warm-up of {warmup} is not shorter than the schedule of {length}",
            where="warmup",
            mend="shorten the warm-up or train for longer",
        )
    decay = Phase(shape=Shape.COSINE, length=length - warmup, start=peak, end=final)
    if warmup == 0:
        return Schedule(phases=(decay,))
    return Schedule(phases=(Phase(shape=Shape.WARMUP, length=warmup, start=start, end=peak), decay))


def continue_from(parent: Schedule, *, position: int, final: float, length: int) -> Schedule:
    """Return the parent's schedule from `position` on, cooled down to `final` over `length`.

    Where the parent is still warming up, its warm-up is finished first. The learning rate of the
    first step is the one the parent's next step would have had.

    Raises:
        ConfigError: if the parent's remaining warm-up is not shorter than `length`.
    """
    first = parent.phases[0]
    if first.shape is Shape.WARMUP and position < first.length:
        reached = first.start + position / first.length * (first.end - first.start)
        left = first.length - position
        return rewarm(start=reached, peak=first.end, final=final, warmup=left, length=length)
    start = parent.learning_rate(position, 1)
    return Schedule(phases=(Phase(shape=Shape.COSINE, length=length, start=start, end=final),))
