"""What the launcher asks of the place where runs execute: this machine, or a cluster."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from orchestrator.store.attempts import Intent
from orchestrator.store.layout import RunFolder


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """An attempt whose records are on disk and whose process is to be started."""

    folder: RunFolder
    """The run."""
    intent: Intent
    """The attempt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """An attempt whose process is gone."""

    run_id: str
    """The run."""
    attempt: int
    """Which try."""
    code: int | None
    """Exit code; negative for a signal; None if nobody saw it."""


class Backend(Protocol):
    """Starts attempts and tells of their ends. What they did is read from their folders."""

    @property
    def name(self) -> str:
        """The word that intents carry."""
        ...

    @property
    def slots(self) -> int | None:
        """Runs at once; None where a scheduler sees to that."""
        ...

    def submit(self, jobs: Sequence[Job]) -> None:
        """Start attempts.

        Raises:
            LaunchError: if they could not be handed over.
        """
        ...

    def poll(self, seconds: float) -> tuple[Ended, ...]:
        """Wait for the first end, at most `seconds`, and return all ends not yet told."""
        ...

    def cancel(self, folders: Sequence[RunFolder]) -> None:
        """Ask running attempts to checkpoint and leave."""
        ...

    def close(self, *, hurry: bool) -> tuple[Ended, ...]:
        """Let go of all; return the attempts that had not come to life and now never will.

        Attempts under way go on.

        Args:
            hurry: whether attempts that have not come to life are given up, or waited for.
        """
        ...
