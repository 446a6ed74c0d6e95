"""How long a study takes on a cluster, and what holds it up. Pure.

The schedule is an estimate of one user's jobs on an otherwise empty cluster: waiting for other
people's jobs is not in it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from orchestrator.plan.makespan.capacity import Capacity
from orchestrator.plan.makespan.job import Placement, Wait, undisturbed
from orchestrator.plan.makespan.simulation import Rules, Simulation
from orchestrator.plan.makespan.work import Work


@dataclass(frozen=True, slots=True, kw_only=True)
class CriticalStep:
    """A run that determines the end of a study, and what it waited for before it started."""

    run_id: str
    """The run."""
    start_hours: float
    """Since the start of the study."""
    end_hours: float
    """Since the start of the study; the next step starts then."""
    waited: Wait
    """What it waited for last."""
    waited_for: str | None
    """The run behind that, which is the step before; None if it started with the study."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """When and where every job of a study runs."""

    placements: tuple[Placement, ...]
    """All jobs, in the order in which they start."""
    makespan_hours: float
    """From the start of the first to the end of the last."""
    device_hours: float
    """Held by jobs, idle devices of whole nodes and restarts included."""
    idle_share: float
    """Share of the capacity until the end that does no work of a run, in [0, 1]: devices that are
    free, idle within a job's whole nodes, or restarting."""
    peak_devices: int
    """Most devices held at once."""
    critical_path: tuple[CriticalStep, ...]
    """The steps that follow each other without a gap from the start to the end."""


def simulate(work: Sequence[Work], capacity: Capacity, rules: Rules | None = None) -> Schedule:
    """Return the schedule of some work in which nothing fails.

    Args:
        work: parents before children.
        capacity: devices and limits.
        rules: how the cluster works; None for the defaults.

    Raises:
        PlanError: if a run is wider than the capacity, or time limits are too short to get on.
    """
    placements = Simulation(work, capacity, rules or Rules(), undisturbed).run()
    makespan = max((placement.end_hours for placement in placements), default=0.0)
    useful = sum(run.devices * run.hours for run in work)
    offered = capacity.devices * makespan
    return Schedule(
        placements=placements,
        makespan_hours=makespan,
        device_hours=sum(p.devices * (p.end_hours - p.start_hours) for p in placements),
        idle_share=max(0.0, 1 - useful / offered) if offered else 0.0,
        peak_devices=_peak_devices(placements),
        critical_path=_critical_path(placements),
    )


def _peak_devices(placements: Sequence[Placement]) -> int:
    # At one instant devices are given back before they are taken.
    changes = sorted(
        change
        for p in placements
        if p.end_hours > p.start_hours
        for change in ((p.start_hours, p.devices), (p.end_hours, -p.devices))
    )
    held = peak = 0
    for _, change in changes:
        held += change
        peak = max(peak, held)
    return peak


def _critical_path(placements: Sequence[Placement]) -> tuple[CriticalStep, ...]:
    """Walk back from the job that ends last, each time to the one whose end it waited for."""
    steps: list[CriticalStep] = []
    last = max(range(len(placements)), key=lambda i: placements[i].end_hours, default=None)
    while last is not None:
        step, last = _step(placements, last), placements[last].waited_for
        if steps and steps[-1].waited is Wait.EARLIER_JOB:  # of one run: told as one step
            step = replace(step, end_hours=steps.pop().end_hours)
        steps.append(step)
    return tuple(reversed(steps))


def _step(placements: Sequence[Placement], place: int) -> CriticalStep:
    placement = placements[place]
    before = placement.waited_for
    return CriticalStep(
        run_id=placement.run_id,
        start_hours=placement.start_hours,
        end_hours=placement.end_hours,
        waited=placement.waited,
        waited_for=None if before is None else placements[before].run_id,
    )
