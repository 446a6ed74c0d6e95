"""Tell whether a process is the one it was: its number alone may have been given to another."""

import os
import socket
import subprocess
from functools import cache
from pathlib import Path

_PROC = Path("/proc")


@cache
def host_name() -> str:
    """Return the name of this machine: in a job, the one that the cluster calls it by.

    Nodes of a rehearsed cluster share one machine; by their own names they are told apart.
    """
    return os.environ.get("SLURMD_NODENAME") or socket.gethostname()


def process_start(pid: int) -> str | None:
    """Return a text that no other process of this machine shares with `pid`; None if it is gone.

    A process that ended and was not yet waited for is gone. On Linux the text is the boot's id and
    the start time in clock ticks since boot (proc(5), `stat` field 22), elsewhere the start date
    that `ps` gives.
    """
    if _PROC.joinpath("self", "stat").exists():
        return _start_from_proc(pid)
    return _start_from_ps(pid)


def own_start() -> str:
    """Return the same text about this process."""
    start = process_start(os.getpid())
    assert start is not None, "a running process has a start time"
    return start


def _start_from_proc(pid: int) -> str | None:
    try:
        stat = _PROC.joinpath(str(pid), "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    after_name = stat.rpartition(")")[2].split()  # the name may itself hold spaces and brackets
    state, start = after_name[0], after_name[19]
    return None if state in "ZX" else f"{_boot_id()}:{start}"


@cache
def _boot_id() -> str:
    try:
        return _PROC.joinpath("sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _start_from_ps(pid: int) -> str | None:
    found = subprocess.run(
        ["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout.split(maxsplit=1)
    return None if len(found) < 2 or found[0].startswith("Z") else found[1].strip()
