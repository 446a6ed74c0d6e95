"""One job of a run in a simulated schedule: how it starts, how it ends, where it lies. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from orchestrator.plan.makespan.work import Work

_ROUNDING = 1e-9
"""Relative excess over a time limit that is taken for rounding."""


class Wait(StrEnum):
    """What a job waited for last before it started."""

    NOTHING = "nothing"
    """It started with the study."""
    PARENT = "parent"
    """A run that it needs."""
    DEVICES = "devices"
    """Devices, or a place among the jobs allowed at once, that another run held."""
    EARLIER_JOB = "earlier_job"
    """The run's own job before, which ended at a time limit or was interrupted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One job of a run as it starts."""

    run: Work
    """The run."""
    devices: int
    """Devices that it holds, whole nodes included."""
    nodes: int
    """Nodes that they lie on."""
    saved_hours: float
    """Work of the run done by its jobs before, in [0, `run.hours`]."""
    restart_hours: float
    """Spent before work goes on; 0 for the first job."""
    limit_hours: float
    """After which it ends; infinite where there is no limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """How a job ends."""

    hours: float
    """How long it holds its devices."""
    saved_hours: float
    """Work of the run that is saved then; the run is done when it is all of it."""
    delay_hours: float = 0.0
    """Before the rest may start again."""


Fate = Callable[[Job], End]
"""Says how a job ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """One job in its place."""

    run_id: str
    """The run."""
    job: int
    """Which of the run's jobs, from 1."""
    pool: str
    """Name of the partition, or of this machine."""
    nodes: tuple[int, ...]
    """Numbers of its nodes in the pool, from 0."""
    devices: int
    """Devices that it holds, whole nodes included."""
    start_hours: float
    """Since the start of the study."""
    end_hours: float
    """Since the start of the study."""
    waited: Wait
    """What it waited for last."""
    waited_for: int | None
    """The placement whose end it waited for, by its place in order of start; None for nothing."""


def undisturbed(job: Job) -> End:
    """Let a job go on to the run's end, or to its time limit, at which it saves."""
    left = job.run.hours - job.saved_hours
    room = job.limit_hours - job.restart_hours
    if left <= room * (1 + _ROUNDING):
        return End(hours=job.restart_hours + left, saved_hours=job.run.hours)
    return End(hours=job.limit_hours, saved_hours=job.saved_hours + room)
