"""Whether and how a launch goes on with a run whose last attempt failed. Pure."""

from datetime import timedelta

from orchestrator.plan.causes import Cause, Ending, Remedy, Step, next_step
from orchestrator.plan.limits import Limits
from orchestrator.plan.observed import Observed, Wish

INTERRUPTIONS = frozenset(
    {
        Cause.STOPPED,
        Cause.KILLED,
        Cause.PREEMPTED,
        Cause.TIME_LIMIT,
        Cause.NODE_FAILURE,
        Cause.LOST,
        Cause.NOT_READY,
    }
)
"""Causes that say nothing about the run itself."""

SURROUNDINGS = INTERRUPTIONS | {
    Cause.NETWORK,
    Cause.DISK_FULL,
    Cause.OUT_OF_MEMORY,
    Cause.GPU_MEMORY,
    Cause.HOST_MEMORY,
    Cause.LEASE_HELD,
}
"""Causes outside the run: the next launch by a person goes on without being told to."""


def going_on(seen: Observed, limits: Limits) -> Step:
    """Say what to do about a run whose last attempt ended without a result.

    Args:
        seen: the run; its cause is known.
        limits: what the launch may do.
    """
    assert seen.cause is not None, "asked about failed runs alone"
    told = f"{seen.cause.value}: {seen.message}" if seen.message else seen.cause.value
    if seen.cause is Cause.DAMAGED:
        return Step(remedy=Remedy.STOP, reason=told)
    history = seen.history or (Ending(cause=seen.cause, progressed=seen.progressed),)
    step = next_step(history, min(seen.forgiven, len(history)))
    if seen.wish is Wish.GO and seen.forgiven >= len(history):
        return step
    if seen.earlier and (limits.attended or limits.retry):
        if limits.retry or seen.cause in SURROUNDINGS:
            remedy = Remedy.REQUEUE if step.remedy is Remedy.STOP else step.remedy
            return _forgiven(step, remedy, seen)
        told = f"failed before ({told}); launch with --retry once it is mended"
        return Step(remedy=Remedy.STOP, reason=told)
    if step.remedy is Remedy.STOP:
        return Step(remedy=Remedy.STOP, reason=f"{told} ({step.reason})")
    return step


def seconds_left(step: Step, seen: Observed, limits: Limits) -> float:
    """Return how long to wait before the next attempt. At least 0."""
    if seen.ended is None or limits.now is None or (limits.attended and seen.earlier):
        return 0.0
    ready = seen.ended + timedelta(seconds=step.wait_seconds)
    return max(0.0, (ready - limits.now).total_seconds())


def _forgiven(step: Step, remedy: Remedy, seen: Observed) -> Step:
    """Return a step at a person's word: what was learned stays, budgets do not count."""
    return Step(
        remedy=remedy,
        reason=f"attempt {seen.attempts} ended: {seen.cause}",
        avoid=step.avoid,
        halvings=step.halvings,
        memory_factor=step.memory_factor,
    )
