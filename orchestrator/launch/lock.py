"""One launcher for a study at a time, on this machine.

The operating system holds the lock and gives it back when the launcher dies, whatever the way.
"""

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from orchestrator.errors import ConfigError, LaunchError, RecordError
from orchestrator.spec.codec import decode, encode
from orchestrator.spec.identity import canonical_json
from orchestrator.store.files import read_json
from orchestrator.store.layout import StudyFolder
from orchestrator.store.versioned import timestamp
from orchestrator.worker.process import host_name, own_start


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who launches a study."""

    host: str
    """Its machine."""
    pid: int
    """Its process."""
    process_start: str
    """Tells the process from a later one of the same number."""
    started: str
    """Since when, ISO 8601 in UTC."""


@contextmanager
def launch_lock(study: StudyFolder, now: datetime) -> Generator[None]:
    """Hold the study for this launcher.

    Raises:
        LaunchError: if another launcher works on it.
    """
    handle = os.open(study.lock, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        if not _try_lock(handle):
            raise _refusal(study)
        holder = Holder(
            host=host_name(),
            pid=os.getpid(),
            process_start=own_start(),
            started=timestamp(now),
        )
        os.truncate(handle, 0)
        os.write(handle, canonical_json(encode(holder)).encode() + b"\n")
        yield
    finally:
        os.close(handle)  # which gives the lock back


def lock_holder(study: StudyFolder) -> Holder | None:
    """Return who launches the study now; None if nobody does."""
    try:
        handle = os.open(study.lock, os.O_RDWR)
    except FileNotFoundError:
        return None
    try:
        return None if _try_lock(handle) else _read_holder(study.lock)
    finally:
        os.close(handle)


def _try_lock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read_holder(path: Path) -> Holder | None:
    try:
        return decode(Holder, read_json(path))
    except (ConfigError, RecordError):  # it took the lock this very moment
        return None


def _refusal(study: StudyFolder) -> LaunchError:
    holder = _read_holder(study.lock)
    who = f"process {holder.pid} on {holder.host}, since {holder.started}" if holder else "another"
    return LaunchError(
        f"this study is being launched already ({who})",
        str(study.lock),
        "watch it with sweep status --watch, or end it with Ctrl-C there; its runs go on",
    )
