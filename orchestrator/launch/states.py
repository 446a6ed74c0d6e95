"""Find out from files alone where each run stands. Reads, never writes."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from orchestrator.errors import RecordError
from orchestrator.plan.actions import Cause, Observed, State
from orchestrator.plan.plan import Plan
from orchestrator.store.layout import AttemptFolder, RunFolder, StudyFolder
from orchestrator.store.records import (
    Exit,
    ProgressRecord,
    attempt_numbers,
    check_empty,
    check_run,
    is_done,
    read_exit,
    read_intent,
    read_progress,
)
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
        return Observed(
            state=State.UNKNOWN,
            cause=Cause.DAMAGED,
            message=f"{error.what} ({error.where}); {error.mend}",
        )


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
    lease = read_lease(folder)
    if lease and is_alive(folder, lease, moment.now):
        return Observed(state=State.RUNNING, attempts=len(numbers))
    if not numbers:
        return Observed(state=State.PLANNED)
    return _without_process(folder, numbers, moment)


def _without_process(folder: RunFolder, numbers: tuple[int, ...], moment: Moment) -> Observed:
    """Judge a run that was tried, has no result, and that no process holds."""
    exits = {number: read_exit(folder.attempt(number)) for number in numbers}
    newest = _telling_attempt(exits)
    ending = exits[newest]
    if ending is None and _is_starting(folder.attempt(newest), moment):
        return Observed(state=State.SUBMITTED, attempts=len(numbers))
    return Observed(
        state=State.FAILED,
        attempts=len(numbers),
        cause=(ending.cause if ending else None) or Cause.KILLED,
        message=ending.message if ending else "its process vanished",
        progressed=_progressed(folder, exits, newest),
        earlier=ending is None or datetime.fromisoformat(ending.ended) < moment.since,
    )


def _telling_attempt(exits: dict[int, Exit | None]) -> int:
    """Return the newest attempt that got hold of the run, else the newest."""
    for number in reversed(exits):
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


def seconds_of(folder: RunFolder) -> float:
    """Return the recorded time inside the stage's function, over all attempts."""
    total = 0.0
    for number in attempt_numbers(folder):
        with suppress(RecordError):
            ending = read_exit(folder.attempt(number))
            total += ending.seconds if ending else 0.0
    return total


def log_of(folder: RunFolder) -> Path | None:
    """Return the log of the newest attempt; None if there was none."""
    numbers = attempt_numbers(folder)
    return folder.attempt(numbers[-1]).log if numbers else None
