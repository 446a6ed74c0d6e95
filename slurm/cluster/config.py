"""What a private cluster is like: its nodes, partitions, policies and ports. Pure."""

from dataclasses import dataclass
from enum import StrEnum

from orchestrator.errors import ConfigError

PORTS = 100
"""Consecutive TCP ports that one cluster may use, from `ClusterConfig.port` on."""

MAX_NODES = 64
"""Nodes of one cluster; each is a process of about 7 MB and takes one port."""

_DATABASE_DAEMON_OFFSET = 90
_DATABASE_OFFSET = 91


class Preempt(StrEnum):
    """What happens to a job whose nodes a job of a higher partition takes."""

    REQUEUE = "requeue"
    CANCEL = "cancel"
    NONE = "none"


class Accounting(StrEnum):
    """Where Slurm keeps what jobs did; `sacct` answers only from a database."""

    NONE = "none"
    DATABASE = "database"


class Requeue(StrEnum):
    """Whether a job that does not say so itself is queued again when its node fails."""

    ON = "on"
    OFF = "off"


def _check_range(name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise ConfigError(
            f"{name} is {value}, outside [{low}, {high}]",
            where=name,
            mend=f"give a whole number from {low} to {high}",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """A named queue over all nodes.

    Raises:
        ConfigError: if a value lies outside the range stated below.
    """

    name: str
    """Letters, digits, `-` and `_`."""

    tier: int = 1
    """Jobs of a higher tier start first and may preempt those of a lower one. 1 to 65533."""

    max_minutes: int | None = None
    """Longest wall time of a job, in minutes, at least 1; None is no limit."""

    preempt: Preempt = Preempt.NONE
    """What happens to this partition's jobs when a higher tier needs their nodes."""

    grace_seconds: int = 0
    """Time between the warning signal and the end of a preempted job. At least 0."""

    def __post_init__(self) -> None:
        if not self.name.replace("-", "").replace("_", "").isalnum() or not self.name.isascii():
            raise ConfigError(
                f"a partition is called {self.name!r}",
                where="partitions: name",
                mend="use letters, digits, - and _ only",
            )
        _check_range(f"partition {self.name}: tier", self.tier, 1, 65533)
        _check_range(f"partition {self.name}: grace_seconds", self.grace_seconds, 0, 86_400)
        if self.max_minutes is not None:
            _check_range(f"partition {self.name}: max_minutes", self.max_minutes, 1, 525_600)


def usual_partitions(preempt: Preempt, grace_seconds: int = 0) -> tuple[Partition, ...]:
    """Return `main`, `brief` with the shortest time limit there is, and `high` that preempts."""
    return (
        Partition(name="main", preempt=preempt, grace_seconds=grace_seconds),
        Partition(name="brief", preempt=preempt, grace_seconds=grace_seconds, max_minutes=1),
        Partition(name="high", tier=10),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterConfig:
    """Everything that decides what the cluster's configuration files say.

    Raises:
        ConfigError: if a value lies outside the range stated below.
    """

    port: int
    """First of the `PORTS` TCP ports on 127.0.0.1 that the cluster takes. 1024 to 65436."""

    nodes: int = 4
    """Nodes, named n1, n2, ... 1 to `MAX_NODES`."""

    cpus: int = 4
    """CPUs that each node claims to have, whatever the machine has. 1 to 1024."""

    gpus: int = 2
    """GPUs that each node pretends to have: jobs are given numbers, no device. 0 to 64."""

    memory_mib: int = 4000
    """Memory that each node claims to have, in MiB. At least 100."""

    partitions: tuple[Partition, ...] = usual_partitions(Preempt.REQUEUE)
    """At least one; the first is the default. Names are distinct."""

    accounting: Accounting = Accounting.NONE
    """Whether `sacct` answers; the database makes `up` about 7 s longer."""

    requeue: Requeue = Requeue.ON
    """The site's default for jobs that say neither --requeue nor --no-requeue."""

    max_array_size: int = 1001
    """One more than the highest index of a job array, as Slurm counts. 2 to 4,000,001."""

    settings: tuple[tuple[str, str], ...] = ()
    """Further lines of slurm.conf, as (key, value); they replace the usual ones."""

    def __post_init__(self) -> None:
        _check_range("port", self.port, 1024, 65536 - PORTS)
        _check_range("nodes", self.nodes, 1, MAX_NODES)
        _check_range("cpus", self.cpus, 1, 1024)
        _check_range("gpus", self.gpus, 0, 64)
        _check_range("memory_mib", self.memory_mib, 100, 2**31 - 1)
        _check_range("max_array_size", self.max_array_size, 2, 4_000_001)
        names = [partition.name for partition in self.partitions]
        if not names or len(set(names)) < len(names):
            raise ConfigError(
                f"partitions are {names}",
                where="partitions",
                mend="give at least one partition, each with a name of its own",
            )
        for key, value in self.settings:
            if not key.isalnum() or "\n" in value:
                raise ConfigError(
                    f"the setting {key!r} = {value!r} is no line of slurm.conf",
                    where="settings",
                    mend="give it as Key=Value on one line, such as KillWait=30",
                )

    @property
    def node_names(self) -> tuple[str, ...]:
        """The names of the nodes, in order."""
        return tuple(f"n{number}" for number in range(1, self.nodes + 1))

    @property
    def database_daemon_port(self) -> int:
        """Where slurmdbd listens."""
        return self.port + _DATABASE_DAEMON_OFFSET

    @property
    def database_port(self) -> int:
        """Where MariaDB listens."""
        return self.port + _DATABASE_OFFSET

    @property
    def ports(self) -> tuple[int, ...]:
        """Every port that a process of this cluster listens on."""
        nodes = tuple(self.port + number for number in range(1 + self.nodes))
        if self.accounting is Accounting.NONE:
            return nodes
        return (*nodes, self.database_daemon_port, self.database_port)
