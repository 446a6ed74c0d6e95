"""How a cluster's Slurm is spoken to, and what it allows. Part of a profile. Pure."""

from dataclasses import dataclass
from enum import StrEnum

from orchestrator.errors import ConfigError
from orchestrator.spec.checks import check_at_least, check_positive


class Requeue(StrEnum):
    """What Slurm does with a job of ours whose node failed or whose place was taken."""

    REQUEUE = "requeue"
    """It starts the job again itself (`--requeue`)."""
    CANCEL = "cancel"
    """It ends the job for good (`--no-requeue`, `PreemptMode=CANCEL`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlurmSite:
    """One cluster's Slurm: whom to name, what to ask for, what it allows.

    Raises:
        ConfigError: if a value lies outside the range stated below.
    """

    account: str | None = None
    """Whom jobs are charged to (`--account`); None for the user's default."""
    qos: str | None = None
    """Quality of service (`--qos`); None for the user's default."""
    constraint: str | None = None
    """Node features that jobs ask for (`--constraint`)."""
    gpu_type: str | None = None
    """Name of the device in `--gpus-per-node`; None where a node has one kind only."""
    cpus_per_task: int = 8
    """CPUs of each process: one process for each device, or one a run where there is none.
    At least 1."""
    memory_gib_per_task: float | None = None
    """Host memory of each process in GiB; None for the site's default. Above 0."""
    max_array_size: int | None = None
    """MaxArraySize, one more than the largest index; None to ask Slurm. At least 1."""
    max_submitted: int | None = None
    """MaxSubmitJobs: jobs of one user, waiting or running; None to ask Slurm. At least 1."""
    array_parallelism: int | None = None
    """Tasks of one array that run at once; None for all. At least 1."""
    sbatch_per_minute: int = 10
    """Most submissions a minute. At least 1."""
    poll_seconds: float = 60.0
    """Time between two looks at the queue with --watch. Above 0."""
    warning_seconds: int = 120
    """How long before its time limit a job is warned, to save and requeue itself. At least 1."""
    grace_seconds: int | None = None
    """How long a preempted job may go on after its signal (GraceTime, or KillWait); None if nobody
    has said so. Checked by `sweep doctor`. At least 0."""
    requeue: Requeue = Requeue.REQUEUE
    """What Slurm does with a job whose node failed or whose place was taken."""
    accounting: bool | None = None
    """Whether `sacct` answers here; None if nobody has said so. Checked by `sweep doctor`."""
    setup: tuple[str, ...] = ()
    """Shell lines that prepare a job: `module load cuda`, `source env/bin/activate`."""
    python: str | None = None
    """The interpreter on the nodes; None for the one that submits."""
    data_root: str | None = None
    """Folder of data collections on the cluster; None for the one of --data."""
    scratch: str | None = None
    """Fast disk of a node, for temporary files (`TMPDIR`); None for the node's own choice."""

    def __post_init__(self) -> None:
        for name in ("cpus_per_task", "sbatch_per_minute", "warning_seconds"):
            check_at_least(name, getattr(self, name), 1)
        for name in ("max_array_size", "max_submitted", "array_parallelism"):
            value = getattr(self, name)
            if value is not None:
                check_at_least(name, value, 1)
        if self.grace_seconds is not None:
            check_at_least("grace_seconds", self.grace_seconds, 0)
        check_positive("poll_seconds", self.poll_seconds)
        if self.memory_gib_per_task is not None:
            check_positive("memory_gib_per_task", self.memory_gib_per_task)
        for name in ("account", "qos", "constraint", "gpu_type"):
            _check_word(name, getattr(self, name))
        for line in self.setup:
            if "\n" in line:
                raise ConfigError(
                    f"a set-up line has a line break: {line!r}",
                    "slurm.setup",
                    "give each line of its own",
                )


def _check_word(name: str, value: str | None) -> None:
    """Refuse what would end up as more than one word of a batch script's directive."""
    if value is not None and (not value or any(c.isspace() or not c.isprintable() for c in value)):
        raise ConfigError(f"{name} is {value!r}", f"slurm.{name}", "give one word, without spaces")
