"""Find out from files alone where each run stands. Reads, never writes."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from orchestrator.errors import RecordError
from orchestrator.launch.open_attempts import open_attempt
from orchestrator.plan.causes import Cause, Ending
from orchestrator.plan.observed import Observed, State, Wish
from orchestrator.plan.plan import Plan
from orchestrator.store.attempts import Exit, attempt_numbers, read_exit, read_intent
from orchestrator.store.layout import AttemptFolder, RunFolder, StudyFolder
from orchestrator.store.records import (
    ProgressRecord,
    check_empty,
    check_run,
    is_done,
    read_progress,
)
from orchestrator.store.wishes import Wished, read_wish
from orchestrator.worker.lease import is_alive, read_lease

GRACE = timedelta(seconds=20)
"""How long a process may take from its intent to its lease before it counts as never started.

An assumption: a cold Python on a busy machine takes about 1 s. Should it come later still, the
lease keeps it from a run that was started again.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """When one looks, and since when ends count as new."""

    now: datetime
    """The present."""
    since: datetime
    """Ends before this belong to earlier launches."""
    grace: timedelta = GRACE
    """How long a process may take to show itself."""


def observe(study: StudyFolder, plan: Plan, moment: Moment) -> dict[str, Observed]:
    """Find out where each run of a plan stands."""
    try:
        there = {path.name for path in study.runs.iterdir()}
    except FileNotFoundError:
        there = set[str]()
    planned = Observed(state=State.PLANNED)
    return {
        run.run_id: observe_run(study.run(run.run_id), moment) if run.run_id in there else planned
        for run in plan.runs
    }


def observe_run(folder: RunFolder, moment: Moment) -> Observed:
    """Find out where a run stands. A folder that cannot be trusted is `unknown`, and named."""
    try:
        return _observe(folder, moment)
    except RecordError as error:
        return damaged(error)


def damaged(error: RecordError) -> Observed:
    """Return what is known of a run whose folder cannot be trusted."""
    message = f"{error.what} ({error.where}); {error.mend}"
    return Observed(state=State.UNKNOWN, cause=Cause.DAMAGED, message=message)


def progress_of(folder: RunFolder) -> ProgressRecord | None:
    """Return how far a run is. One that cannot be read is as good as none: it is only for show."""
    try:
        return read_progress(folder)
    except RecordError:
        return None


def _observe(folder: RunFolder, moment: Moment) -> Observed:
    if not folder.run_json.exists():
        check_empty(folder)
        return Observed(state=State.PLANNED)
    check_run(folder)
    numbers = attempt_numbers(folder)
    if is_done(folder):
        return Observed(state=State.DONE, attempts=len(numbers))
    wished = read_wish(folder)
    return replace(_unfinished(folder, numbers, wished, moment), wish=wished and wished.wish)


def _unfinished(
    folder: RunFolder, numbers: tuple[int, ...], wished: Wished | None, moment: Moment
) -> Observed:
    lease = read_lease(folder)
    there = open_attempt(folder) is not None
    if lease and is_alive(folder, lease, moment.now):
        return Observed(state=State.RUNNING, attempts=len(numbers), on_cluster=there)
    if not numbers:
        return Observed(state=State.PLANNED)
    if there:
        message = "handed to the cluster, which was not asked"
        return Observed(
            state=State.SUBMITTED, attempts=len(numbers), message=message, on_cluster=True
        )
    exits = {number: read_exit(folder.attempt(number)) for number in numbers}
    newest = telling_attempt(exits)
    if exits[newest] is None and _is_starting(folder.attempt(newest), moment):
        return Observed(state=State.SUBMITTED, attempts=len(numbers))
    return ended_run(folder, exits, wished, moment)


def ended_run(
    folder: RunFolder, exits: dict[int, Exit | None], wished: Wished | None, moment: Moment
) -> Observed:
    """Judge a run that was tried, has no result, and that no process holds.

    Args:
        folder: the run.
        exits: how each attempt ended, by number; at least one.
        wished: what a person wants of it.
        moment: the present, and since when ends are new.
    """
    newest = telling_attempt(exits)
    ending = exits[newest]
    ended = datetime.fromisoformat(ending.ended) if ending else None
    history = history_of(exits)
    return Observed(
        state=State.FAILED,
        attempts=len(exits),
        cause=(ending.cause if ending else None) or Cause.KILLED,
        message=ending.message if ending else "its process vanished",
        progressed=_progressed(folder, exits, newest),
        earlier=ended is None or ended < moment.since,
        history=tuple(end for end, _ in history),
        forgiven=sum(_is_forgiven(record, wished) for _, record in history),
        ended=ended,
        wish=wished.wish if wished else None,
    )


def history_of(exits: Mapping[int, Exit | None]) -> tuple[tuple[Ending, Exit], ...]:
    """Return how attempts ended without a result, oldest first, and their records.

    Args:
        exits: by number of the attempt, in order.
    """
    endings: list[tuple[Ending, Exit]] = []
    farthest = 0
    for ending in exits.values():
        if ending is None or ending.cause is None:
            continue
        progressed = ending.step is not None and ending.step > farthest
        farthest = max(farthest, ending.step or 0)
        end = Ending(cause=ending.cause, progressed=progressed, nodes=ending.nodes)
        endings.append((end, ending))
    return tuple(endings)


def _is_forgiven(ending: Exit, wished: Wished | None) -> bool:
    if wished is None or wished.wish is not Wish.GO:
        return False
    return datetime.fromisoformat(ending.ended) < wished.since


def telling_attempt(exits: Mapping[int, Exit | None]) -> int:
    """Return the newest attempt that got hold of the run, else the newest."""
    for number in reversed(tuple(exits)):
        ending = exits[number]
        if ending is None or ending.cause is not Cause.LEASE_HELD:
            return number
    return max(exits)


def _is_starting(attempt: AttemptFolder, moment: Moment) -> bool:
    if not attempt.intent.exists():
        return False
    written = datetime.fromisoformat(read_intent(attempt).time)
    return abs(moment.now - written) < moment.grace


def _progressed(folder: RunFolder, exits: dict[int, Exit | None], newest: int) -> bool:
    """Return whether the newest attempt got further than all before it."""
    ending, progress = exits[newest], progress_of(folder)
    reached = ending.step if ending else None
    if ending is None and progress and progress.attempt == newest:
        reached = progress.step
    before = [e.step for n, e in exits.items() if e and n < newest and e.step is not None]
    return reached is not None and reached > max(before, default=0)


def log_of(folder: RunFolder) -> Path | None:
    """Return the log of the newest attempt; None if there was none."""
    numbers = attempt_numbers(folder)
    return folder.attempt(numbers[-1]).log if numbers else None
