"""Close attempts whose worker had no chance to write how it ended."""

import signal
from datetime import datetime

from orchestrator.launch.evidence import Evidence
from orchestrator.launch.log_tail import read_tail
from orchestrator.launch.states import progress_of
from orchestrator.launch.triage import triage
from orchestrator.plan.causes import Cause
from orchestrator.store.attempts import (
    Intent,
    attempt_numbers,
    ending_unsaid,
    read_exit,
    read_intent,
    write_exit,
)
from orchestrator.store.layout import AttemptFolder, RunFolder
from orchestrator.store.records import ProgressRecord, is_done
from orchestrator.worker.lease import is_alive, read_lease


def settle(folder: RunFolder, attempt_number: int, code: int | None, now: datetime) -> None:
    """Write `exit.json` of an attempt whose process is gone, unless it is there.

    Args:
        folder: the run.
        attempt_number: which try.
        code: exit code, negative for a signal; None if nobody saw it.
        now: the present.

    Raises:
        RecordError: if a record is damaged.
    """
    attempt = folder.attempt(attempt_number)
    if attempt_number not in attempt_numbers(folder) or read_exit(attempt) or is_done(folder):
        return
    lease = read_lease(folder)
    if lease and is_alive(folder, lease, now):
        return
    progress = progress_of(folder)
    reached = progress.step if progress and progress.attempt == attempt_number else None
    intent = read_intent(attempt) if attempt.intent.exists() else None
    cause, message = _judge(attempt, code)
    ending = ending_unsaid(
        intent,
        cause,
        message,
        now,
        code=code,
        seconds=_seconds(intent, progress if reached is not None else None),
        step=reached,
    )
    write_exit(attempt, ending)


def _seconds(intent: Intent | None, progress: ProgressRecord | None) -> float:
    """Return the time from the intent to the last sign of life, which is all that is known."""
    if intent is None or progress is None:
        return 0.0
    begun = datetime.fromisoformat(intent.time)
    return max(0.0, (datetime.fromisoformat(progress.heartbeat) - begun).total_seconds())


def _judge(attempt: AttemptFolder, code: int | None) -> tuple[Cause, str]:
    """Say why a worker that could not record its end has ended; its log may tell."""
    if code is None:
        return Cause.KILLED, _message(code)
    verdict = triage(Evidence(code=code, logs=(read_tail(attempt.log),)))
    if verdict.cause in (Cause.KILLED, Cause.UNKNOWN):
        return verdict.cause, _message(code)
    return verdict.cause, verdict.why


def _message(code: int | None) -> str:
    if code is None:
        return "its process vanished"
    if code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return f"its process ended with code {code} and said nothing"
