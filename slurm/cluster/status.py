"""What a cluster is doing now. Reads; changes nothing."""

from collections import Counter
from dataclasses import dataclass

from slurm.cluster.client import job_states, node_states
from slurm.cluster.config import ClusterConfig
from slurm.cluster.daemons import daemon_names
from slurm.cluster.folder import ClusterFolder
from slurm.cluster.record import read_record


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterStatus:
    """One look at a cluster."""

    config: ClusterConfig
    """As it was last started."""

    daemons: dict[str, bool]
    """Whether each daemon lives, in the order of starting."""

    nodes: dict[str, str]
    """Each node's state in Slurm's words; empty where Slurm does not answer."""

    jobs: dict[str, int]
    """Jobs that have not ended, by state; array elements count one each."""

    @property
    def is_up(self) -> bool:
        """Whether every daemon lives."""
        return all(self.daemons.values())


def look(folder: ClusterFolder) -> ClusterStatus | None:
    """Return what a cluster is doing, or None where none was ever started.

    Raises:
        RecordError: if the folder's record is damaged.
    """
    record = read_record(folder)
    if record is None:
        return None
    alive = record.alive()
    answers = "slurmctld" in alive
    return ClusterStatus(
        config=record.config,
        daemons={name: name in alive for name in daemon_names(record.config)},
        nodes=node_states(folder) if answers else {},
        jobs=dict(Counter(job_states(folder).values())) if answers else {},
    )
