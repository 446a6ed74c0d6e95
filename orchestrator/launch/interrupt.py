"""Let Ctrl-C and its kin set a flag, so that no write of the launcher is cut in two."""

import signal
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType

_LEAVE_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def interruptible() -> Generator[Callable[[], bool]]:
    """Give a function that tells whether somebody asked this process to leave.

    A signal that is ignored already, as SIGHUP under nohup, stays so. The old handlers come back
    at the end.
    """
    asked: list[int] = []

    def ask(number: int, frame: FrameType | None) -> None:
        del frame
        asked.append(number)

    old = {number: signal.getsignal(number) for number in _LEAVE_SIGNALS}
    try:
        for number in _LEAVE_SIGNALS:
            if old[number] != signal.SIG_IGN:
                signal.signal(number, ask)
        yield lambda: bool(asked)
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
