"""Learning rates as a study declares them, and the schedules that they mean. Pure."""

from dataclasses import dataclass
from enum import StrEnum

from orchestrator.errors import ConfigError
from orchestrator.spec.checks import check_at_least, check_positive, check_share
from orchestrator.spec.schedule import Phase, Schedule, Shape, continue_from, rewarm


class Curve(StrEnum):
    """How a learning rate moves after its warm-up."""

    COSINE = "cosine"
    """Half a cosine to `final`."""
    LINEAR = "linear"
    """A straight line to `final`."""
    CONSTANT = "constant"
    """At `peak` to the end."""
    WSD = "wsd"
    """At `peak`, then over the last `anneal` a straight line to `final`: warm-up, stable, decay."""
    INFINITE = "infinite"
    """Over `cooldown` half a cosine to `plateau`, at `plateau`, then over the last `anneal` a
    constant factor per step to `final` (Ibrahim et al. 2024, arXiv:2403.08763, section 4.4)."""


class LearningRateRule(StrEnum):
    """What a branch's learning rate does with the trunk's. It confounds the cooldown point."""

    INHERITED = "inherited"
    """Goes on from the trunk's value at the branch point and cools down."""
    REWARMED = "rewarmed"
    """Warms up again to `rewarm_peak` (the trunk's own peak if none is given), then cools down."""
    EQUAL_PEAK = "equal_peak"
    """Warms up to `equal_peak`, the same for every branch point, then cools down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningRate:
    """A warm-up from zero, then a curve.

    Raises:
        ConfigError: if a value lies outside the range stated below.
    """

    peak: float
    """Largest learning rate. Above 0."""
    final: float = 0.0
    """Learning rate at the end. At least 0."""
    warmup: float = 0.0
    """Share of the schedule that is warm-up, in [0, 1)."""
    warmup_steps: int | None = None
    """Optimizer steps of warm-up, instead of a share. At least 0."""
    curve: Curve = Curve.COSINE
    """What follows the warm-up."""
    cooldown: float | None = None
    """`infinite` needs it: share of the schedule from `peak` down to `plateau`, in [0, 1)."""
    plateau: float | None = None
    """`infinite` needs it: learning rate that is held. Above 0."""
    anneal: float | None = None
    """`wsd` and `infinite` need it: share of the schedule that goes down to `final`, in [0, 1)."""

    def __post_init__(self) -> None:
        check_positive("peak", self.peak)
        check_at_least("final", self.final, 0)
        check_warmup(self.warmup, self.warmup_steps)
        for name in ("cooldown", "anneal"):
            check_share(name, getattr(self, name) or 0.0)
        if self.plateau is not None:
            check_positive("plateau", self.plateau)

    def schedule(self, *, length: int, batch: int) -> Schedule:
        """Return the schedule over `length` tokens (or examples) in batches of `batch`.

        Raises:
            ConfigError: if the curve lacks a value, or its parts are not shorter than the whole.
        """
        warmup = warmup_length(self.warmup, self.warmup_steps, length=length, batch=batch)
        if self.curve is Curve.COSINE:
            return rewarm(start=0.0, peak=self.peak, final=self.final, warmup=warmup, length=length)
        tail = self._tail(length, batch)
        left = length - warmup - sum(phase.length for phase in tail)
        if left < (not tail):
            raise ConfigError(
                f"the parts of the {self.curve} schedule are longer than its {length}",
                where="warmup",
                mend="shorten warmup, cooldown or anneal, or train for longer",
            )
        warm = _phase(Shape.WARMUP, warmup, 0.0, self.peak)
        if self.curve is Curve.LINEAR:
            return Schedule(phases=(*warm, *_phase(Shape.LINEAR, left, self.peak, self.final)))
        if self.curve is Curve.INFINITE:
            held = _phase(Shape.CONSTANT, left, tail[-1].start, tail[-1].start)
            return Schedule(phases=(*warm, *tail[:-1], *held, tail[-1]))
        held = _phase(Shape.CONSTANT, left, self.peak, self.peak)
        return Schedule(phases=(*warm, *held, *tail))

    def _tail(self, length: int, batch: int) -> tuple[Phase, ...]:
        """Return the phases of fixed shares: what an `infinite` or `wsd` schedule goes down by."""
        if self.curve in (Curve.LINEAR, Curve.CONSTANT):
            return ()
        anneal = warmup_length(self._needed("anneal"), None, length=length, batch=batch)
        if self.curve is Curve.WSD:
            return _phase(Shape.LINEAR, anneal, self.peak, self.final)
        cooldown = warmup_length(self._needed("cooldown"), None, length=length, batch=batch)
        plateau = self._needed("plateau")
        down = Phase(
            shape=Shape.EXPONENTIAL, length=max(anneal, batch), start=plateau, end=self.final
        )
        return (*_phase(Shape.COSINE, cooldown, self.peak, plateau), down)

    def _needed(self, name: str) -> float:
        value: float | None = getattr(self, name)
        if value is None:
            raise ConfigError(
                f"the curve {self.curve} needs {name}", where=name, mend=f"give {name}"
            )
        return value


def _phase(shape: Shape, length: int, start: float, end: float) -> tuple[Phase, ...]:
    """Return the phase, or none where it would have no length."""
    return (Phase(shape=shape, length=length, start=start, end=end),) if length > 0 else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BranchLearningRate:
    """The learning rate of a branch, by rule.

    Raises:
        ConfigError: if a value lies outside the range stated below.
    """

    rule: LearningRateRule
    """What it does with the trunk's learning rate."""
    final: float = 0.0
    """Learning rate at the end. At least 0."""
    warmup: float = 0.0
    """Share of the branch that is warm-up under `rewarmed` and `equal_peak`, in [0, 1)."""
    warmup_steps: int | None = None
    """Optimizer steps of warm-up, instead of a share. At least 0."""
    rewarm_peak: float | None = None
    """Peak under `rewarmed`; None for the trunk's own. Above 0."""
    equal_peak: float | None = None
    """Peak under `equal_peak`, which needs one. Above 0."""

    def __post_init__(self) -> None:
        check_at_least("final", self.final, 0)
        check_warmup(self.warmup, self.warmup_steps)
        for name in ("rewarm_peak", "equal_peak"):
            value = getattr(self, name)
            if value is not None:
                check_positive(name, value)
        if self.rule is LearningRateRule.EQUAL_PEAK and self.equal_peak is None:
            raise ConfigError(
                "the rule is equal_peak, but no equal_peak is given",
                where="equal_peak",
                mend="add equal_peak: the learning rate that every branch reaches",
            )


def branch_schedule(
    trunk: Schedule, rate: BranchLearningRate, *, position: int, length: int, batch: int
) -> Schedule:
    """Return a branch's schedule over its own tokens.

    Args:
        trunk: the trunk's schedule.
        rate: the branch's rule.
        position: tokens of the trunk at the branch point; 0 from scratch.
        length: tokens of the branch.
        batch: tokens per step of the branch.

    Raises:
        ConfigError: if a warm-up is not shorter than the branch.
    """
    if rate.rule is LearningRateRule.INHERITED:
        return continue_from(trunk, position=position, final=rate.final, length=length)
    if rate.rule is LearningRateRule.EQUAL_PEAK:
        assert rate.equal_peak is not None, "BranchLearningRate refuses the rule without a peak"
        peak = rate.equal_peak
    else:
        peak = rate.rewarm_peak or max(phase.start for phase in trunk.phases)
    start = trunk.learning_rate(position, 0) if position else 0.0
    warmup = warmup_length(rate.warmup, rate.warmup_steps, length=length, batch=batch)
    return rewarm(start=start, peak=peak, final=rate.final, warmup=warmup, length=length)


def check_warmup(share: float, steps: int | None) -> None:
    """Refuse a warm-up that is declared twice or outside its range.

    Raises:
        ConfigError: naming the field.
    """
    check_share("warmup", share)
    if steps is not None:
        check_at_least("warmup_steps", steps, 0)
        if share:
            raise ConfigError(
                f"the warm-up is declared twice: {share} of the schedule and {steps} steps",
                where="warmup_steps",
                mend="keep warmup or warmup_steps, not both",
            )


def warmup_length(share: float, steps: int | None, *, length: int, batch: int) -> int:
    """Return the warm-up in tokens (or examples), a whole number of steps."""
    if steps is not None:
        return steps * batch
    return round(share * length / batch) * batch
