"""What to do next about each run of a plan, and why. Pure.

`decide` is the only place where a launch makes up its mind: a dry run prints the actions that a
real launch applies.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from orchestrator.plan.breaker import Failure, tripped
from orchestrator.plan.causes import Cause, Remedy, Step
from orchestrator.plan.going_on import INTERRUPTIONS, going_on, seconds_left
from orchestrator.plan.limits import Limits
from orchestrator.plan.observed import LIVE, Observed, State, Wish
from orchestrator.plan.plan import Plan, PlannedRun

_NEVER_ALIKE = INTERRUPTIONS | {Cause.DIVERGED, Cause.CANCELLED}
"""Causes that say nothing about the next run, however often they come."""

_USUAL = Limits(slots=None)


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
    after: tuple[str, ...] = ()
    """For a submission: runs that are under way, and have to be done before it starts."""
    step: Step | None = None
    """For a submission after a failure: what changes."""
    wait_seconds: float | None = None
    """For a wait that ends by itself: how long."""


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
    halt = halt_reason(observed, limits)
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
    if seen.state in LIVE:
        return _about_live(name, seen, limits)
    if name not in needed:
        return _act(Verb.SKIP, name, "only finished runs need it")
    if seen.state is State.UNKNOWN and seen.cause is None:
        return _act(Verb.WAIT, name, seen.message or "its state could not be found out")
    step = None if seen.cause is None else going_on(seen, limits)
    held = (
        _over(name, seen, step)
        or _held_by_parents(run, observed, verdicts, limits)
        or _held_for_now(name, seen, step, limits)
    )
    if held:
        return held
    after = tuple(need for need in run.needs if observed[need].state is not State.DONE)
    return replace(_act(Verb.SUBMIT, name, _why_now(seen)), after=after, step=step)


def _over(name: str, seen: Observed, step: Step | None) -> Action | None:
    """Return a block if a run goes on only once a person says so."""
    if seen.wish is Wish.CANCEL:
        return _act(Verb.BLOCK, name, "cancelled; sweep retry takes it up again", blocker=name)
    if step and step.remedy is Remedy.STOP:
        return _act(Verb.BLOCK, name, step.reason, blocker=name)
    return None


def _held_for_now(name: str, seen: Observed, step: Step | None, limits: Limits) -> Action | None:
    """Return a wait if a run that could start must not start yet."""
    if seen.wish is Wish.PAUSE:
        return _act(Verb.WAIT, name, "paused; sweep resume takes it up again")
    if limits.stop:
        return _act(Verb.WAIT, name, "the launch is stopping")
    left = seconds_left(step, seen, limits) if step else 0.0
    if step and left > 0:
        return replace(_act(Verb.WAIT, name, step.reason), wait_seconds=left)
    return None


def _about_live(name: str, seen: Observed, limits: Limits) -> Action:
    """Judge a run that is under way."""
    if limits.stop:
        return _act(Verb.CANCEL, name, seen.state.value)
    if seen.wish is Wish.CANCEL:
        return _act(Verb.CANCEL, name, "a person cancelled it")
    if seen.stuck:
        return _act(Verb.CANCEL, name, f"its job can never start: {seen.message}")
    waits = f": {seen.message}" if seen.message else ""
    return _act(Verb.WAIT, name, f"{seen.state.value}{waits}")


def _held_by_parents(
    run: PlannedRun,
    observed: Mapping[str, Observed],
    verdicts: Mapping[str, Action],
    limits: Limits,
) -> Action | None:
    waits: list[str] = []
    for parent in run.needs:
        if verdicts[parent].verb is Verb.BLOCK:
            blocker = verdicts[parent].blocker or parent
            reason = f"needs {blocker}, which failed"
            return _act(Verb.BLOCK, run.run_id, reason, blocker=blocker)
        if observed[parent].state is not State.DONE and not (
            limits.ahead and _is_coming(observed[parent], verdicts[parent])
        ):
            waits.append(parent)
    return _act(Verb.WAIT, run.run_id, f"waits for {', '.join(waits)}") if waits else None


def _is_coming(seen: Observed, verdict: Action) -> bool:
    """Return whether a run is under way, or about to be, as a job that others can wait for."""
    if verdict.verb is Verb.SUBMIT:
        return True
    return seen.waitable and seen.state in LIVE and verdict.verb is Verb.WAIT


def _why_now(seen: Observed) -> str:
    if seen.state is State.PLANNED:
        return "ready"
    return f"attempt {seen.attempts} ended: {seen.cause.value if seen.cause else 'no result'}"


def halt_reason(observed: Mapping[str, Observed], limits: Limits = _USUAL) -> str | None:
    """Return why a launch starts nothing more at all, or None.

    Failures that are about to be answered by something else than a person do not count.
    """
    failed = {
        name: seen
        for name, seen in observed.items()
        if seen.state is State.FAILED
        and seen.cause is not None
        and not (seen.earlier and (limits.attended or limits.retry))
    }
    if any(seen.cause is Cause.DISK_FULL for seen in failed.values()):
        again = "launch again" if limits.attended else "launch with --retry"
        return f"a run found the disk full: free some space, then {again}"
    trip = tripped(
        Failure(run_id=name, cause=seen.cause, message=seen.message or seen.cause.value)
        for name, seen in failed.items()
        if seen.cause is not None
        and seen.cause not in _NEVER_ALIKE
        and going_on(seen, limits).remedy is Remedy.STOP
    )
    if trip is None:
        return None
    said = f"{len(trip.run_ids)} runs failed alike ({trip.message}), each a {trip.cause.value}"
    return f"{said}: mend that, then launch with --retry"


def _free_slots(observed: Mapping[str, Observed], limits: Limits) -> int | None:
    if limits.slots is None:
        return None
    return max(0, limits.slots - sum(seen.state in LIVE for seen in observed.values()))


def _children(plan: Plan) -> dict[str, list[str]]:
    children: dict[str, list[str]] = {run.run_id: [] for run in plan.runs}
    for run in plan.runs:
        for parent in run.needs:
            children[parent].append(run.run_id)
    return children


def _act(verb: Verb, run_id: str, reason: str, blocker: str | None = None) -> Action:
    return Action(verb=verb, run_id=run_id, reason=reason, blocker=blocker)
