"""Waiting for a process to be ready, with a deadline."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import LaunchError

_STEP_SECONDS = 0.05
_LOG_LINES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long something is waited for, and where its failure can be read."""

    seconds: float
    """At most this long. More than 0."""

    log: Path
    """Its last lines are shown when the wait was in vain."""

    lives: Callable[[], bool] = lambda: True
    """Whether there is still something to wait for."""


def wait_until(what: str, holds: Callable[[], bool], patience: Patience) -> None:
    """Return when `holds()`; look at least once.

    Raises:
        LaunchError: when patience ends, or what was waited for did, with the end of its log.
    """
    deadline = time.monotonic() + patience.seconds
    while not holds():
        in_vain = "" if patience.lives() else f"{what} ended while it was starting"
        if time.monotonic() >= deadline:
            in_vain = f"{what} was not ready within {patience.seconds:.0f} s"
        if in_vain:
            raise LaunchError(
                f"{in_vain}{last_lines(patience.log)}",
                where=str(patience.log),
                mend="read the log; then sweep cluster down, and up again",
            )
        time.sleep(_STEP_SECONDS)


def held_within(holds: Callable[[], bool], seconds: float) -> bool:
    """Say whether `holds()` came true within `seconds`."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() >= deadline:
            return False
        time.sleep(_STEP_SECONDS)
    return True


def last_lines(log: Path) -> str:
    """Return the end of a log, to stand behind a message; nothing where there is none."""
    try:
        lines = log.read_text(errors="replace").splitlines()[-_LOG_LINES:]
    except OSError:
        return ""
    return "".join(f"\n    {line}" for line in lines)
