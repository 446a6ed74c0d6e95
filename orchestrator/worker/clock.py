"""Where the worker gets the time from, so that a test can give its own."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """Two ways to tell the time."""

    now: Callable[[], datetime]
    """The date, with its time zone."""
    seconds: Callable[[], float]
    """Seconds since some moment; never goes backwards."""


def system_clock() -> Clock:
    """Return this machine's clock."""
    return Clock(now=lambda: datetime.now(UTC), seconds=time.monotonic)
