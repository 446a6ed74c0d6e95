"""How long a study takes when nodes fail and jobs are preempted, over many random courses. Pure.

A failure loses the work since the last checkpoint; a preemption gives notice, so that the job saves
before it leaves. In both cases the devices come free, the run waits a while, and a new job loads
the checkpoint and goes on. Jobs fail independently of each other, and a failed node is back, or
replaced, by the time the run may start again: assumptions. Writing checkpoints is part of a run's
hours.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.errors import ConfigError, PlanError
from orchestrator.plan.makespan.capacity import Capacity, pools_for
from orchestrator.plan.makespan.job import End, Job, undisturbed
from orchestrator.plan.makespan.simulation import Rules, Simulation
from orchestrator.plan.makespan.work import Work
from orchestrator.spec.checks import check_at_least, check_positive

NODE_MTBF_HOURS = 24 * 1000 / 6.50
"""Mean time between failures of one node: 6.50 failures in 1000 node-days, the rate of the cluster
RSC-1 in Kokolis et al. 2024 (arXiv:2410.21680)."""

MOST_TRIES = 1000.0
"""Expected tries at one checkpoint interval beyond which a run is taken for hopeless."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureRates:
    """How often jobs are interrupted, and what an interruption costs.

    Raises:
        ConfigError: if a value lies outside the range stated below.
    """

    node_mtbf_hours: float = NODE_MTBF_HOURS
    """Mean time between failures of one node; a job fails when any of its nodes does. Above 0."""
    preemptions_per_job_hour: float = 0.0
    """Rate at which a running job is preempted, whatever its size. At least 0."""
    requeue_delay_hours: float = 0.1
    """From an interruption until the run may start again: an assumption. At least 0."""
    checkpoint_interval_hours: float = 1 / 6
    """Work between two checkpoints; training saves every ten minutes. Above 0."""

    def __post_init__(self) -> None:
        if not self.node_mtbf_hours > 0:  # infinite: nodes never fail
            raise ConfigError(
                f"node_mtbf_hours is {self.node_mtbf_hours}, not above 0",
                where="node_mtbf_hours",
                mend=f"give hours, such as {NODE_MTBF_HOURS:.0f}",
            )
        check_at_least("preemptions_per_job_hour", self.preemptions_per_job_hour, 0)
        check_at_least("requeue_delay_hours", self.requeue_delay_hours, 0)
        check_positive("checkpoint_interval_hours", self.checkpoint_interval_hours)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """One quantity over all courses."""

    mean: float
    """Arithmetic mean."""
    p5: float
    """5th percentile, interpolated between neighbouring values."""
    p50: float
    """Median."""
    p95: float
    """95th percentile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """What failures make of a study, over many courses."""

    courses: int
    """How many were simulated."""
    makespan_hours: Spread
    """From the first start to the last end."""
    lost_device_hours: Spread
    """Held by jobs but lost to failures and preemptions: work done again, and restarts after
    them. Restarts after time limits are not in it."""
    interruptions: Spread
    """Failures and preemptions."""
    ettr: Spread
    """Effective training time ratio (Kokolis et al. 2024, arXiv:2410.21680): productive time over
    the time in which a run holds its devices or waits to go on after an interruption, each run
    weighted by the devices that its jobs hold. Waiting for devices that other runs of the study
    hold is left out: few devices make it, not failures."""
    productive_share: Spread
    """The same without any waiting: productive time over the time in which devices are held."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Course:
    """What came out of one course."""

    makespan_hours: float
    lost_device_hours: float
    interruptions: float
    ettr: float
    productive_share: float


class _Misfortune:
    """Interrupts jobs at random, and counts what that costs."""

    def __init__(self, rates: FailureRates, rng: random.Random) -> None:
        self._rates = rates
        self._rng = rng
        self._interrupted: set[str] = set()
        self.interruptions = 0
        self.held_device_hours = 0.0
        self.productive_device_hours = 0.0
        self.lost_device_hours = 0.0
        self.waiting_device_hours = 0.0

    def __call__(self, job: Job) -> End:
        """Say how a job ends, and account for it."""
        end = self._end(job)
        self.held_device_hours += job.devices * end.hours
        self.productive_device_hours += job.devices * (end.saved_hours - job.saved_hours)
        self.waiting_device_hours += job.devices * end.delay_hours
        return end

    def _end(self, job: Job) -> End:
        calm = undisturbed(job)
        failure = self._draw(job.nodes / self._rates.node_mtbf_hours)
        preemption = self._draw(self._rates.preemptions_per_job_hour)
        hours = min(failure, preemption)
        # A restart is due to a time limit unless an interruption came before it. One that is cut
        # off is made up for here and counted when it is repeated.
        due = 0.0 if job.run.run_id in self._interrupted else job.restart_hours
        if hours >= calm.hours:
            self._interrupted.discard(job.run.run_id)
            self.lost_device_hours += job.devices * (job.restart_hours - due)
            return calm
        self._interrupted.add(job.run.run_id)
        self.interruptions += 1
        saved = job.saved_hours + max(0.0, hours - job.restart_hours)
        if failure < preemption:
            saved = self._last_checkpoint(job.saved_hours, saved)
        self.lost_device_hours += job.devices * (hours - due - (saved - job.saved_hours))
        return End(hours=hours, saved_hours=saved, delay_hours=self._rates.requeue_delay_hours)

    def _draw(self, per_hour: float) -> float:
        return self._rng.expovariate(per_hour) if per_hour > 0 else math.inf

    def _last_checkpoint(self, before: float, reached: float) -> float:
        """Return where the newest checkpoint stands; they lie at multiples of the interval."""
        interval = self._rates.checkpoint_interval_hours
        return max(before, math.floor(reached / interval) * interval)


def simulate_failures(
    work: Sequence[Work],
    capacity: Capacity,
    rates: FailureRates,
    seeds: Sequence[int],
    rules: Rules | None = None,
) -> Distribution:
    """Simulate a study once for each seed, with failures and preemptions.

    Args:
        work: parents before children.
        capacity: devices and limits.
        rates: how often jobs are interrupted, and what that costs.
        seeds: one for each course, such as `range(100)`. At least one.
        rules: how the cluster works; None for the defaults.

    Raises:
        ConfigError: if there is no seed.
        PlanError: if a run fits nowhere, or would hardly ever reach its next checkpoint.
    """
    check_at_least("seeds", len(seeds), 1)
    rules = rules or Rules()
    _check_hope(work, capacity, rates, rules)
    courses = [_course(work, capacity, rules, _Misfortune(rates, random.Random(s))) for s in seeds]
    return Distribution(
        courses=len(courses),
        makespan_hours=_spread([course.makespan_hours for course in courses]),
        lost_device_hours=_spread([course.lost_device_hours for course in courses]),
        interruptions=_spread([course.interruptions for course in courses]),
        ettr=_spread([course.ettr for course in courses]),
        productive_share=_spread([course.productive_share for course in courses]),
    )


def _course(
    work: Sequence[Work], capacity: Capacity, rules: Rules, misfortune: _Misfortune
) -> _Course:
    placements = Simulation(work, capacity, rules, misfortune).run()
    productive, held = misfortune.productive_device_hours, misfortune.held_device_hours
    return _Course(
        makespan_hours=max((job.end_hours for job in placements), default=0.0),
        lost_device_hours=misfortune.lost_device_hours,
        interruptions=float(misfortune.interruptions),
        ettr=productive / (held + misfortune.waiting_device_hours) if held else 1.0,
        productive_share=productive / held if held else 1.0,
    )


def _check_hope(
    work: Sequence[Work], capacity: Capacity, rates: FailureRates, rules: Rules
) -> None:
    """Refuse runs that would be interrupted again and again before they get anywhere."""
    for run in work:
        nodes = max(
            capacity.pools[place].nodes_of(run.devices)
            for place in pools_for(run, capacity, rules.restart_hours)
        )
        failures = nodes / rates.node_mtbf_hours
        interruptions = failures + rates.preemptions_per_job_hour
        piece = min(run.hours, rates.checkpoint_interval_hours)
        if interruptions * rules.restart_hours + failures * piece > math.log(MOST_TRIES):
            raise PlanError(
                f"{run.label} on {nodes} nodes is interrupted every {1 / interruptions:.3g} hours "
                f"and would need more than {MOST_TRIES:g} tries to get {piece:.3g} hours further",
                where=f"run {run.run_id}: checkpoint_interval_hours",
                mend="save more often, restart faster, or use fewer nodes",
            )


def _spread(values: Sequence[float]) -> Spread:
    ranked = sorted(values)
    return Spread(
        mean=math.fsum(ranked) / len(ranked),
        p5=_percentile(ranked, 0.05),
        p50=_percentile(ranked, 0.50),
        p95=_percentile(ranked, 0.95),
    )


def _percentile(ranked: Sequence[float], share: float) -> float:
    place = share * (len(ranked) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ranked) - 1)
    return ranked[below] + (place - below) * (ranked[above] - ranked[below])
