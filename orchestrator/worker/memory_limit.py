"""A limit on the host memory of a worker: beyond it the attempt ends with that cause.

The kernel's own limits on address space are of no use here: torch reserves far more than it
touches. So the worker looks at its resident memory, a few times a second.
"""

import os
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from orchestrator.errors import ConfigError

LOOK_SECONDS = 0.25
"""Time between two looks."""

_STATM = Path("/proc/self/statm")
_MIB = 2**20


def resident_mib() -> float | None:
    """Return the resident memory of this process; None where the system does not say.

    proc(5), `statm`: the second field, in pages. What a forked worker shares with others counts.
    """
    try:
        pages = int(_STATM.read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE") / _MIB


@contextmanager
def limited(
    gib: float | None,
    exceeded: Callable[[float], None],
    resident: Callable[[], float | None] = resident_mib,
) -> Generator[None]:
    """Watch this process's memory from a thread of its own while the block goes on.

    Args:
        gib: what it may take; None for no limit.
        exceeded: is called once, from that thread, with the MiB that it takes.
        resident: tells the memory in MiB.

    Raises:
        ConfigError: if there is a limit, and the system does not say what a process takes.
    """
    if gib is None:
        yield
        return
    if resident() is None:
        raise ConfigError(
            "this system does not say how much memory a process takes",
            "--memory-gib",
            "leave it out here",
        )
    ended = threading.Event()
    thread = threading.Thread(
        target=_watch, args=(gib * 1024, exceeded, resident, ended), daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _watch(
    limit: float,
    exceeded: Callable[[float], None],
    resident: Callable[[], float | None],
    ended: threading.Event,
) -> None:
    while not ended.wait(LOOK_SECONDS):
        now = resident()
        if now is not None and now > limit:
            exceeded(now)
            return
