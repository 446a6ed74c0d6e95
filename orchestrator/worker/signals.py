"""Signals that ask a worker to stop. A handler only sets a flag; the stage looks at it."""

import signal
import time
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType

STOP_SIGNALS = (signal.SIGTERM, signal.SIGUSR2)
"""`sweep launch --stop` and schedulers send SIGTERM; Slurm's warning before a limit is SIGUSR2."""


_STEP_SECONDS = 0.1

WARNING = signal.SIGUSR2
"""What a scheduler sends before a limit: time remains for a checkpoint."""

TERMINAL_SIGNALS = (signal.SIGINT, signal.SIGHUP)
"""Ctrl-C and a closed terminal, which are meant for the launcher: it leaves, its workers go on."""


def ignore_terminal() -> None:
    """Ignore what a terminal sends. The launcher starts workers with these signals blocked."""
    for number in TERMINAL_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, TERMINAL_SIGNALS)


@contextmanager
def terminal_blocked() -> Generator[None]:
    """Hold back what a terminal sends.

    A process started meanwhile inherits that, and so cannot be hit in the moment before it has a
    session of its own. The signal comes through to this process at the end.
    """
    old = signal.pthread_sigmask(signal.SIG_BLOCK, TERMINAL_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, old)


class StopFlag:
    """Becomes true when a stop signal arrives, and stays so."""

    def __init__(self) -> None:
        self.is_set = False
        self.was_warned = False
        """Whether a scheduler said that time or place is nearly gone."""

    def install(self) -> None:
        """Let the stop signals of this process set the flag, and ignore its terminal."""
        for number in STOP_SIGNALS:
            signal.signal(number, self._set)
        ignore_terminal()

    def wait(self, seconds: float) -> bool:
        """Wait for some seconds, or until a stop signal arrives; return whether one has."""
        deadline = time.monotonic() + seconds
        while not self.is_set and time.monotonic() < deadline:
            time.sleep(_STEP_SECONDS)
        return self.is_set

    def _set(self, number: int, frame: FrameType | None) -> None:
        del frame
        self.is_set = True
        self.was_warned = self.was_warned or number == WARNING
