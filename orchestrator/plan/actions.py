"""What to do next about each run of a plan, and why. Pure.

`decide` is the only place where a launch makes up its mind: a dry run prints the actions that a
real launch applies.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from orchestrator.plan.breaker import Failure, tripped
from orchestrator.plan.causes import Cause
from orchestrator.plan.plan import Plan, PlannedRun


class State(StrEnum):
    """Where a run stands."""

    PLANNED = "planned"
    """Nothing has been started."""
    SUBMITTED = "submitted"
    """Handed over; its process has not spoken yet."""
    QUEUED = "queued"
    """Waits in a cluster's queue."""
    RUNNING = "running"
    """A live process holds its lease."""
    DONE = "done"
    """Its result is there and its marker vouches for it."""
    FAILED = "failed"
    """Its last attempt ended without a result."""
    UNKNOWN = "unknown"
    """It could not be found out."""


INTERRUPTIONS = frozenset(
    {Cause.STOPPED, Cause.KILLED, Cause.PREEMPTED, Cause.TIME_LIMIT, Cause.NODE_FAILURE}
)
"""Causes after which the same launch goes on, as long as each attempt gets further."""

SURROUNDINGS = INTERRUPTIONS | {
    Cause.NETWORK,
    Cause.DISK_FULL,
    Cause.OUT_OF_MEMORY,
    Cause.GPU_MEMORY,
    Cause.HOST_MEMORY,
}
"""Causes outside the run: the next launch goes on without being told to."""

_NEVER_ALIKE = INTERRUPTIONS | {Cause.DIVERGED, Cause.CANCELLED}
"""Causes that say nothing about the next run, however often they come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What is known about one run."""

    state: State
    """Where it stands."""
    attempts: int = 0
    """Tries so far."""
    cause: Cause | None = None
    """Why the last attempt failed, or why the state is unknown."""
    message: str | None = None
    """The failure in words."""
    progressed: bool = False
    """Whether the last attempt got further than every one before it."""
    earlier: bool = False
    """Whether the last attempt ended before this launch began."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a launch may do."""

    slots: int | None
    """Runs at once; None for no limit of ours."""
    retry: bool = False
    """Whether runs that failed for a reason of their own in an earlier launch are tried again."""
    stop: bool = False
    """Whether running runs are asked to checkpoint and leave."""


class Verb(StrEnum):
    """Kinds of action."""

    SUBMIT = "submit"
    """Start an attempt."""
    CANCEL = "cancel"
    """Ask a running run to checkpoint and leave."""
    WAIT = "wait"
    """Its time will come, or it is under way."""
    SKIP = "skip"
    """There is nothing to do."""
    BLOCK = "block"
    """It cannot go on without a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """What to do about one run."""

    verb: Verb
    """What to do."""
    run_id: str
    """About which run."""
    reason: str
    """Why, for people."""
    blocker: str | None = None
    """For a block: the run that has to be mended, perhaps this one itself."""


def decide(plan: Plan, observed: Mapping[str, Observed], limits: Limits) -> tuple[Action, ...]:
    """Say what to do about each run: submissions first, most urgent first, then the plan's order.

    A finished run is never started again and never calls for its ancestors. A run whose ancestor
    failed is blocked. Among the ready, the run with the longest way to the end of the plan goes
    first, so that the slots stay busy.

    Args:
        plan: the runs.
        observed: one entry for each run of the plan.
        limits: what the launch may do.
    """
    needed = needed_runs(plan, observed)
    halt = halt_reason(observed)
    verdicts: dict[str, Action] = {}
    for run in plan.runs:
        verdicts[run.run_id] = _verdict(run, observed, limits, verdicts, needed)
    ready = [verdict for verdict in verdicts.values() if verdict.verb is Verb.SUBMIT]
    hours = critical_hours(plan, observed)
    ready.sort(key=lambda verdict: -hours[verdict.run_id])  # stable: ties keep the plan's order
    free = _free_slots(observed, limits)
    for place, verdict in enumerate(ready):
        if halt:
            verdicts[verdict.run_id] = _act(Verb.WAIT, verdict.run_id, halt)
        elif free is not None and place >= free:
            verdicts[verdict.run_id] = _act(Verb.WAIT, verdict.run_id, "ready; every slot is busy")
    started = [v for v in ready if verdicts[v.run_id].verb is Verb.SUBMIT]
    rest = [v for v in verdicts.values() if v.verb is not Verb.SUBMIT]
    return (*started, *rest)


def needed_runs(plan: Plan, observed: Mapping[str, Observed]) -> frozenset[str]:
    """Return the unfinished runs that some unfilled place of the plan asks for.

    A run is asked for by a cell of an arm, by being the last of its line, or by an unfinished
    child that is itself asked for.
    """
    children = _children(plan)
    needed: set[str] = set()
    for run in reversed(plan.runs):
        below = children[run.run_id]
        asked = bool(run.cells) or not below or any(child in needed for child in below)
        if asked and observed[run.run_id].state is not State.DONE:
            needed.add(run.run_id)
    return frozenset(needed)


def critical_hours(plan: Plan, observed: Mapping[str, Observed]) -> dict[str, float]:
    """Return, for each run, the device hours of the longest unfinished line that begins with it."""
    children = _children(plan)
    hours: dict[str, float] = {}
    for run in reversed(plan.runs):
        own = 0.0 if observed[run.run_id].state is State.DONE else run.cost.wall_hours
        hours[run.run_id] = own + max((hours[child] for child in children[run.run_id]), default=0.0)
    return hours


def _verdict(
    run: PlannedRun,
    observed: Mapping[str, Observed],
    limits: Limits,
    verdicts: Mapping[str, Action],
    needed: frozenset[str],
) -> Action:
    """Judge one run, knowing the verdicts on those it needs."""
    name, seen = run.run_id, observed[run.run_id]
    if seen.state is State.DONE:
        return _act(Verb.SKIP, name, "done")
    if seen.state in (State.RUNNING, State.SUBMITTED, State.QUEUED):
        verb = Verb.CANCEL if limits.stop else Verb.WAIT
        return _act(verb, name, seen.state.value)
    if name not in needed:
        return _act(Verb.SKIP, name, "only finished runs need it")
    if seen.state is State.UNKNOWN and seen.cause is None:
        return _act(Verb.WAIT, name, seen.message or "its state could not be found out")
    refusal = _refusal(seen, limits)
    if refusal:
        return _act(Verb.BLOCK, name, refusal, blocker=name)
    held = _held_by_parents(run, observed, verdicts)
    if held:
        return held
    if limits.stop:
        return _act(Verb.WAIT, name, "the launch is stopping")
    return _act(Verb.SUBMIT, name, _why_now(seen))


def _held_by_parents(
    run: PlannedRun, observed: Mapping[str, Observed], verdicts: Mapping[str, Action]
) -> Action | None:
    waits: list[str] = []
    for parent in run.needs:
        if verdicts[parent].verb is Verb.BLOCK:
            blocker = verdicts[parent].blocker or parent
            reason = f"needs {blocker}, which failed"
            return _act(Verb.BLOCK, run.run_id, reason, blocker=blocker)
        if observed[parent].state is not State.DONE:
            waits.append(parent)
    return _act(Verb.WAIT, run.run_id, f"waits for {', '.join(waits)}") if waits else None


def _refusal(seen: Observed, limits: Limits) -> str | None:
    """Return why a run is not tried again, or None if it may be."""
    if seen.cause is None or seen.state not in (State.FAILED, State.UNKNOWN):
        return None
    told = f"{seen.cause.value}: {seen.message}" if seen.message else seen.cause.value
    if seen.cause is Cause.DAMAGED:
        return told
    if seen.earlier:
        goes_on = limits.retry or seen.cause in SURROUNDINGS or seen.cause is Cause.LEASE_HELD
        return None if goes_on else f"failed before ({told}); launch with --retry once it is mended"
    if seen.cause in INTERRUPTIONS:
        return None if seen.progressed else f"{told}, without getting further than before"
    return told


def _why_now(seen: Observed) -> str:
    if seen.state is State.PLANNED:
        return "ready"
    return f"attempt {seen.attempts} ended: {seen.cause.value if seen.cause else 'no result'}"


def halt_reason(observed: Mapping[str, Observed]) -> str | None:
    """Return why a launch starts nothing more at all, or None."""
    failed = {
        name: seen
        for name, seen in observed.items()
        if seen.state is State.FAILED and not seen.earlier and seen.cause not in INTERRUPTIONS
    }
    if any(seen.cause is Cause.DISK_FULL for seen in failed.values()):
        return "a run found the disk full: free some space, then launch again"
    trip = tripped(
        Failure(run_id=name, cause=seen.cause, message=seen.message or seen.cause.value)
        for name, seen in failed.items()
        if seen.cause is not None and seen.cause not in _NEVER_ALIKE
    )
    if trip is None:
        return None
    said = f"{len(trip.run_ids)} runs failed alike ({trip.message}), each a {trip.cause.value}"
    return f"{said}: mend that, then launch with --retry"


def _free_slots(observed: Mapping[str, Observed], limits: Limits) -> int | None:
    if limits.slots is None:
        return None
    live = (State.RUNNING, State.SUBMITTED, State.QUEUED)
    return max(0, limits.slots - sum(seen.state in live for seen in observed.values()))


def _children(plan: Plan) -> dict[str, list[str]]:
    children: dict[str, list[str]] = {run.run_id: [] for run in plan.runs}
    for run in plan.runs:
        for parent in run.needs:
            children[parent].append(run.run_id)
    return children


def _act(verb: Verb, run_id: str, reason: str, blocker: str | None = None) -> Action:
    return Action(verb=verb, run_id=run_id, reason=reason, blocker=blocker)
