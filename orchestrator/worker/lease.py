"""The right to write a run's folder: one live process has it at a time.

`lease.json` names its holder. It is read and replaced under a lock on a file beside it, so that two
processes that find a stale lease at once do not both take it over. The lock itself is held only for
that moment, never for the length of a run: locks on network file systems may not survive it.
"""

import fcntl
import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

from orchestrator.errors import ConfigError, LaunchError, RecordError
from orchestrator.spec.codec import decode, encode
from orchestrator.store.attempts import attempt_numbers
from orchestrator.store.files import read_json, write_json
from orchestrator.store.layout import RunFolder
from orchestrator.worker.process import host_name, own_start, process_start

SILENCE = timedelta(minutes=3)
"""After this long without a sign of life a holder on another machine counts as gone.

Nine beats of `worker.heartbeat`, and longer than network file systems keep a stale time (a minute
at most by default). Of a holder on this machine the process table is asked instead.
"""


LOOK_SECONDS = 2.0
"""Time between two looks at a silent holder."""


class LeaseHeldError(LaunchError):
    """The run is another process's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """Who holds a run."""

    attempt: int
    """The attempt, which is the fencing number: a lower one never takes over from a higher one."""
    token: str
    """The attempt's token."""
    host: str
    """Its machine."""
    pid: int
    """Its process."""
    process_start: str
    """Tells the process from a later one of the same number."""

    @classmethod
    def of_this_process(cls, attempt: int, token: str) -> Self:
        """Return the lease that this process would hold."""
        start = own_start()
        return cls(
            attempt=attempt, token=token, host=host_name(), pid=os.getpid(), process_start=start
        )


def read_lease(folder: RunFolder) -> Lease | None:
    """Return what `lease.json` says; None if nobody ever held the run, or gave it back.

    Raises:
        RecordError: if it is damaged.
    """
    if not folder.lease.exists():
        return None
    try:
        return decode(Lease, read_json(folder.lease))
    except ConfigError as error:
        raise RecordError(error.what, f"{folder.lease}: {error.where}", "remove it") from error


def is_alive(folder: RunFolder, lease: Lease, now: datetime) -> bool:
    """Return whether the holder of a lease still lives, as far as can be told."""
    if lease.host == host_name():
        return process_start(lease.pid) == lease.process_start
    sign = last_sign(folder)
    return sign is not None and now - sign < SILENCE


def last_sign(folder: RunFolder) -> datetime | None:
    """Return when the holder of a lease last gave a sign of life; None if it never did."""
    signs = [path.stat().st_mtime for path in (folder.lease, folder.progress) if path.exists()]
    return datetime.fromtimestamp(max(signs), UTC) if signs else None


def wait_for_silence(
    folder: RunFolder, lease: Lease, now: Callable[[], datetime], sleep: Callable[[float], bool]
) -> None:
    """Wait while the holder on another machine may be dead, until it counts as gone or speaks.

    A cluster starts a job again when its node no longer answers; the process there may be gone,
    or go on.

    Args:
        folder: the run.
        lease: what is to be taken afterwards.
        now: tells the date.
        sleep: waits for some seconds; returns whether to stop waiting.
    """
    heard = last_sign(folder)
    while (holder := read_lease(folder)) and holder != lease and is_alive(folder, holder, now()):
        if holder.host == lease.host or last_sign(folder) != heard:
            return
        if sleep(LOOK_SECONDS):
            return


def take(folder: RunFolder, lease: Lease, now: datetime) -> None:
    """Take the run for this process.

    Raises:
        LeaseHeldError: if a live process has it, or a newer attempt was made.
    """
    with _locked(folder):
        newest = max(attempt_numbers(folder), default=0)
        if newest > lease.attempt:
            raise LeaseHeldError(
                f"attempt {lease.attempt} comes too late: attempt {newest} was made",
                str(folder.path),
                "nothing to do: the newer attempt goes on with the run",
            )
        holder = read_lease(folder)
        if holder and holder != lease and is_alive(folder, holder, now):
            raise LeaseHeldError(
                f"process {holder.pid} on {holder.host} (attempt {holder.attempt}) writes this run",
                str(folder.lease),
                "wait until it has ended, or ask it to stop: sweep launch STUDY.yaml --stop",
            )
        write_json(folder.lease, encode(lease))


@contextmanager
def guarded(folder: RunFolder, lease: Lease) -> Generator[None]:
    """Write the run's last records while nobody can take it over.

    Raises:
        LeaseHeldError: if it was taken over.
    """
    with _locked(folder):
        check(folder, lease)
        yield


def check(folder: RunFolder, lease: Lease) -> None:
    """Make sure that the run is still ours.

    Raises:
        LeaseHeldError: if it was taken over.
    """
    holder = read_lease(folder)
    if holder != lease:
        raise LeaseHeldError(
            f"the lease of attempt {lease.attempt} was taken away"
            + (f" by attempt {holder.attempt}" if holder else ""),
            str(folder.lease),
            "nothing to do: whoever took it goes on with the run",
        )


def give_back(folder: RunFolder, lease: Lease) -> None:
    """Free the run, if the lease is still the one that holds it."""
    with _locked(folder):
        if read_lease(folder) == lease:
            folder.lease.unlink()


@contextmanager
def _locked(folder: RunFolder) -> Generator[None]:
    handle = os.open(_lock_file(folder), os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)  # which gives the lock back


def _lock_file(folder: RunFolder) -> Path:
    return folder.lease.with_name(f".{folder.lease.name}.lock")
