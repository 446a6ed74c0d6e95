"""Attempts of which the cluster has not had its last word: their jobs may still run."""

from dataclasses import dataclass
from datetime import datetime

from orchestrator.store.attempts import (
    CLUSTER,
    Exit,
    Intent,
    attempt_numbers,
    read_exit,
    read_intent,
)
from orchestrator.store.layout import AttemptFolder, RunFolder
from orchestrator.store.versioned import read_record, write_record


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """`seen.json`: since when the cluster says something of a job that may still change."""

    word: str
    """What it says."""
    since: str
    """When that was first seen, ISO 8601 in UTC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAttempt:
    """The newest attempt at a run, whose job may be anywhere."""

    folder: RunFolder
    """The run."""
    number: int
    """Which try."""
    intent: Intent
    """What was to be submitted."""
    exit: Exit | None
    """How the last life of its job ended, by its own word; None if it has not said so."""
    seen: Seen | None
    """What was seen earlier; None for nothing of note."""

    @property
    def attempt(self) -> AttemptFolder:
        """Its folder."""
        return self.folder.attempt(self.number)

    @property
    def written(self) -> datetime:
        """When it was written down."""
        return datetime.fromisoformat(self.intent.time)


def open_attempt(folder: RunFolder) -> OpenAttempt | None:
    """Return the newest attempt at a run if a cluster has it and is not done with it.

    Raises:
        RecordError: if a record is damaged.
    """
    numbers = attempt_numbers(folder)
    attempt = folder.attempt(numbers[-1]) if numbers else None
    if attempt is None or not attempt.intent.exists():
        return None
    intent, ending = read_intent(attempt), read_exit(attempt)
    if intent.backend != CLUSTER or (ending and ending.job_state is not None):
        return None
    seen = read_record(Seen, attempt.seen) if attempt.seen.exists() else None
    number = attempt.number
    return OpenAttempt(folder=folder, number=number, intent=intent, exit=ending, seen=seen)


def write_seen(attempt: AttemptFolder, seen: Seen) -> None:
    """Write `seen.json`."""
    write_record(attempt.seen, seen)
