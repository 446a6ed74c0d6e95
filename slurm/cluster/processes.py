"""Processes of this machine: started in a session of their own, known by number and start time."""

import os
import signal
from dataclasses import dataclass
from pathlib import Path

from slurm.cluster.waiting import held_within

_PROC = Path("/proc")

_STATE, _PARENT, _SESSION, _START = 0, 1, 3, 19
"""Places in /proc/PID/stat, counted from the third field (proc(5))."""

_ENDED = ("Z", "X")


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One process. A number that is used again has another start time."""

    pid: int
    """The process's number."""

    start_ticks: int
    """When it began, in clock ticks since the machine did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the process table says of a process, now."""

    process: Process
    """Which one."""

    parent: int
    """Number of its parent; 1 or 0 where that is gone."""

    session: int
    """Number of the process that leads its session."""


def spawn(argv: tuple[str, ...], *, cwd: Path, log: Path, environment: dict[str, str]) -> Process:
    """Start a program that goes on when we end; what it prints is added to `log`."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    program = ("/usr/bin/env", "-C", str(cwd), *argv)  # env becomes the program: one number
    pid = os.posix_spawn(
        program[0],
        program,
        environment,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), flags, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )
    fields = _stat(pid)
    assert fields is not None  # a child stays in the table until we reap it
    return Process(pid=pid, start_ticks=int(fields[_START]))


def is_alive(process: Process) -> bool:
    """Say whether it is the same process still; one that ended but was not reaped is dead."""
    fields = _stat(process.pid)
    if fields is None or int(fields[_START]) != process.start_ticks:
        return False
    if fields[_STATE] in _ENDED:
        _reap(process.pid)
        return False
    return True


def look_at(pid: int) -> Seen | None:
    """Return what the table says of a process, or None where it has ended."""
    fields = _stat(pid)
    if fields is None or fields[_STATE] in _ENDED:
        return None
    return Seen(
        process=Process(pid=pid, start_ticks=int(fields[_START])),
        parent=int(fields[_PARENT]),
        session=int(fields[_SESSION]),
    )


def all_processes() -> dict[int, Seen]:
    """Return the process table."""
    numbers = [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit()]
    seen = {number: look_at(number) for number in numbers}
    return {number: found for number, found in seen.items() if found is not None}


def environment_of(pid: int) -> frozenset[str]:
    """Return the NAME=value lines that a process began with; none where they may not be read."""
    try:
        raw = (_PROC / str(pid) / "environ").read_bytes()
    except OSError:
        return frozenset()
    return frozenset(os.fsdecode(line) for line in raw.split(b"\0"))


def program_of(pid: int) -> str:
    """Return the name of the file that a process executes; nothing where it may not be read."""
    try:
        return (_PROC / str(pid) / "exe").readlink().name
    except OSError:
        return ""


def end(processes: tuple[Process, ...], seconds: float) -> None:
    """Ask processes to end; after `seconds`, kill those that have not."""
    _signal(processes, signal.SIGTERM)
    if not held_within(lambda: not any(map(is_alive, processes)), seconds):
        kill(processes)


def kill(processes: tuple[Process, ...]) -> None:
    """End processes at once, and wait a moment for the kernel to take them away."""
    _signal(processes, signal.SIGKILL)
    held_within(lambda: not any(map(is_alive, processes)), 5)


def _signal(processes: tuple[Process, ...], number: signal.Signals) -> None:
    for process in processes:
        if is_alive(process):
            try:
                os.kill(process.pid, number)
            except (ProcessLookupError, PermissionError):
                continue  # ended just now, or another user's: the caller looks again


def _stat(pid: int) -> list[str] | None:
    try:
        text = (_PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None
    # The name before the last bracket may hold anything; the numbers are after it.
    return text.rsplit(")", 1)[1].split()


def _reap(pid: int) -> None:
    """Take an ended process out of the table, where it was we who started it."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return
