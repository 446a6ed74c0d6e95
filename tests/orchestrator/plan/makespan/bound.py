"""What no schedule can undercut, for the tests and the benchmark of the simulation."""

from collections.abc import Sequence

from orchestrator.plan.makespan.capacity import Capacity
from orchestrator.plan.makespan.work import Work, children_of, hours_below


def lower_bound_hours(work: Sequence[Work], capacity: Capacity) -> float:
    """Return the hours that no schedule can undercut.

    The larger of the longest line of runs and all work spread evenly. List scheduling of runs of
    one device each takes at most twice as long (Graham 1969, without time limits).
    """
    even = sum(run.devices * run.hours for run in work) / capacity.devices
    return max(longest_line_hours(work), even)


def longest_line_hours(work: Sequence[Work]) -> float:
    """Return the hours of the longest line of runs, each of which needs the one before."""
    below = hours_below(work, children_of(work))
    return max((run.hours + rest for run, rest in zip(work, below, strict=True)), default=0.0)
