"""Which processes belong to a cluster: its daemons, its job steps, and what jobs started."""

import os

from slurm.cluster.folder import ClusterFolder
from slurm.cluster.processes import Process, Seen, all_processes, environment_of, program_of

MARK = "SWEEP_CLUSTER"
"""In the environment of every daemon: the cluster's folder. Job steps inherit it from slurmd."""


_DAEMON_PROGRAMS = ("munged", "mariadbd", "slurmdbd", "slurmctld", "slurmd")
"""How their files' names begin (Debian has slurmd-wlm). Not slurmstepd, which bears its slurmd's
mark and outlives it by design."""


def mark(folder: ClusterFolder) -> str:
    """Return the environment line by which a cluster's own processes are known."""
    return f"{MARK}={folder.path}"


def members(folder: ClusterFolder, sessions: frozenset[int] = frozenset()) -> frozenset[Process]:
    """Return every live process of the cluster.

    These are: marked ones, those in the given sessions, job processes on one of its nodes, and
    all their descendants with those that share a descendant's session. We and our ancestors are
    never among them, not even where `sweep` runs inside a job; nor is a user's own shell.
    What no kinship shows is missed: an orphan that left its session and emptied its environment.
    """
    table = all_processes()
    ancestors = _ancestors(table, os.getpid())
    found = {
        pid
        for pid, seen in table.items()
        if pid not in ancestors and (seen.session in sessions or _is_marked(pid, folder))
    }
    while True:
        inside = {table[pid].session for pid in found} - {table[pid].session for pid in ancestors}
        more = {
            pid
            for pid, seen in table.items()
            if pid not in ancestors and (seen.parent in found or seen.session in inside)
        }
        if more <= found:
            return frozenset(table[pid].process for pid in found)
        found |= more


def stray_daemons(folder: ClusterFolder, known: frozenset[Process]) -> tuple[Process, ...]:
    """Return the cluster's daemons that no record names: `up` was killed as it started them.

    Daemons have helpers of the same program (slurmctld has slurmscriptd); these are no strays.
    """
    found = {
        pid: seen
        for pid, seen in all_processes().items()
        if program_of(pid).startswith(_DAEMON_PROGRAMS) and mark(folder) in environment_of(pid)
    }
    return tuple(
        seen.process
        for seen in found.values()
        if seen.process not in known and seen.parent not in found
    )


def _is_marked(pid: int, folder: ClusterFolder) -> bool:
    lines = environment_of(pid)
    if mark(folder) in lines:
        return True
    # A job's own environment is its submitter's. SLURMD_NODENAME is set on nodes alone, so that
    # a user's terminal with SLURM_CONF or an salloc in it is not taken for a job.
    names = {line.partition("=")[0] for line in lines}
    return f"SLURM_CONF={folder.slurm_conf}" in lines and "SLURMD_NODENAME" in names


def _ancestors(table: dict[int, Seen], pid: int) -> frozenset[int]:
    found: set[int] = set()
    while pid in table and pid not in found:
        found.add(pid)
        pid = table[pid].parent
    return frozenset(found)
