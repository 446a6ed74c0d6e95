"""Stopping a cluster so that no process of it is left."""

from dataclasses import replace

from orchestrator.errors import LaunchError, RecordError
from slurm.cluster.client import ask, job_states
from slurm.cluster.folder import ClusterFolder
from slurm.cluster.lock import locked
from slurm.cluster.members import members, stray_daemons
from slurm.cluster.processes import Process, end, kill
from slurm.cluster.record import read_record, write_record
from slurm.cluster.waiting import held_within

_JOBS_SECONDS = 5.0
"""Jobs get Slurm's own signals first: TERM, and KILL after KillWait (2 s unless set)."""

_DAEMON_SECONDS = 15.0
"""A daemon gets this long after TERM; they take 2 s at most on an idle machine."""

_ROUNDS = 5
"""A job may start processes while it is being ended; each round ends those found by then."""


def stop(folder: ClusterFolder) -> int:
    """End all jobs and daemons, and return how many daemons there were; safe to repeat.

    Files stay, for whoever wants to read logs, until the next start.

    Raises:
        LaunchError: if a process cannot be ended.
    """
    if not folder.record.exists():  # perhaps the folder was removed under a running cluster
        daemons = stray_daemons(folder, frozenset())
        stop_members(folder, members(folder))
        return len(daemons)
    with locked(folder):
        try:
            record = read_record(folder)
        except RecordError:
            record = None
        alive = record.alive() if record else {}
        sessions = frozenset(process.pid for process in alive.values())
        # Before anything ends: who is whose child cannot be seen afterwards.
        known = members(folder, sessions)
        if "slurmctld" in alive:
            _cancel_jobs(folder)
        for group in _groups(alive):
            end(group, _DAEMON_SECONDS)
        stop_members(folder, known, sessions)
        if record:
            write_record(folder, replace(record, daemons=()))
        else:
            folder.record.unlink(missing_ok=True)
        return len(alive)


def stop_members(
    folder: ClusterFolder,
    known: frozenset[Process] = frozenset(),
    sessions: frozenset[int] = frozenset(),
) -> None:
    """Kill every process of the cluster, and those `known` from before.

    Raises:
        LaunchError: if some process is still there after several rounds.
    """
    kill(tuple(known))
    left = members(folder, sessions)
    for _ in range(_ROUNDS):
        if not left:
            return
        kill(tuple(left))
        left = members(folder, sessions)
    if not left:
        return
    numbers = ", ".join(str(process.pid) for process in left)
    raise LaunchError(
        f"processes of the cluster cannot be ended: {numbers}",
        where=str(folder.path),
        mend=f"look at them with ps -fp {numbers.replace(' ', '')}, and end them by hand",
    )


def _cancel_jobs(folder: ClusterFolder) -> None:
    if job_states(folder):
        ask(folder, "scancel", "--state=PENDING", "--state=RUNNING", "--state=SUSPENDED")
        held_within(lambda: not job_states(folder), _JOBS_SECONDS)


def _groups(alive: dict[str, Process]) -> tuple[tuple[Process, ...], ...]:
    """Return the daemons in the order of stopping: first those that ask the others."""
    nodes = tuple(process for name, process in alive.items() if name.startswith("slurmd."))
    others = ("slurmctld", "slurmdbd", "mariadbd", "munged")
    return (nodes, *((alive[name],) for name in others if name in alive))
