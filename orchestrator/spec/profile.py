"""A cluster as far as planning needs it: devices, partitions, limits, speed and price. Pure.

A profile never enters a `run_id`: the same study planned for another cluster keeps its names.
"""

from dataclasses import dataclass

from orchestrator.errors import ConfigError
from orchestrator.spec.checks import check_at_least, check_positive, check_share
from orchestrator.spec.slurm_site import SlurmSite


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """One kind of device.

    Raises:
        ConfigError: if a value lies outside the range stated below.
    """

    name: str
    """As its maker calls it."""
    memory_gib: float
    """Memory of one device in GiB. Above 0."""
    peak_teraflops: float
    """Peak dense 10^12 FLOP per second in the training precision (bf16). Above 0."""

    def __post_init__(self) -> None:
        check_positive("memory_gib", self.memory_gib)
        check_positive("peak_teraflops", self.peak_teraflops)


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """A set of equal nodes with one time limit.

    Raises:
        ConfigError: if a value lies outside the range stated below.
    """

    name: str
    """As `sinfo` shows it."""
    nodes: int
    """Nodes in it. At least 1."""
    max_hours: float | None = None
    """Longest job in hours; None where there is no limit. Above 0."""

    def __post_init__(self) -> None:
        check_at_least("nodes", self.nodes, 1)
        if self.max_hours is not None:
            check_positive("max_hours", self.max_hours)


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """A training run whose device hours are known.

    Raises:
        ConfigError: if a value lies outside the range stated below.
    """

    model: str
    """Name of a preset (`open_lm_79m`)."""
    tokens: int
    """Tokens it was trained on. At least 1."""
    gpu_hours: float
    """What it took. Above 0."""
    source: str
    """Where the numbers stand."""

    def __post_init__(self) -> None:
        check_at_least("tokens", self.tokens, 1)
        check_positive("gpu_hours", self.gpu_hours)


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A cluster, or this machine.

    Raises:
        ConfigError: if a value lies outside the range stated below.
    """

    profile: str
    """Its name, and its file's."""
    about: str
    """What it describes, and where the numbers come from."""
    gpu: Gpu
    """The device in every node."""
    gpus_per_node: int
    """Devices of one node. At least 1."""
    partitions: tuple[Partition, ...]
    """At least one."""
    calibration: tuple[Calibration, ...] = ()
    """Known training runs on this hardware; none leaves `assumed_mfu`."""
    assumed_mfu: float = 0.4
    """Model-FLOP utilisation where there is no calibration: an assumption, in (0, 1]."""
    max_gpus: int | None = None
    """Devices one user may hold at once; None for all. At least 1."""
    max_jobs: int | None = None
    """Jobs one user may have running at once; None for no limit. At least 1."""
    price_per_gpu_hour: float | None = None
    """Money for one device for one hour; None where nobody pays. At least 0."""
    currency: str = "USD"
    """Of the price."""
    slurm: SlurmSite | None = None
    """How its Slurm is spoken to; None where there is none."""

    def __post_init__(self) -> None:
        check_at_least("gpus_per_node", self.gpus_per_node, 1)
        if not self.partitions:
            raise ConfigError("a profile has no partition", "partitions", "name at least one")
        _check_once("partitions", [partition.name for partition in self.partitions])
        _check_once("calibration", [entry.model for entry in self.calibration])
        check_positive("assumed_mfu", self.assumed_mfu)
        check_share("assumed_mfu", self.assumed_mfu)
        for name in ("max_gpus", "max_jobs"):
            value = getattr(self, name)
            if value is not None:
                check_at_least(name, value, 1)
        if self.price_per_gpu_hour is not None:
            check_at_least("price_per_gpu_hour", self.price_per_gpu_hour, 0)

    @property
    def gpus(self) -> int:
        """Devices that one user can hold at once."""
        everything = self.gpus_per_node * sum(partition.nodes for partition in self.partitions)
        return everything if self.max_gpus is None else min(self.max_gpus, everything)

    @property
    def gpus_per_job(self) -> int:
        """Devices that one job can have: it lies in one partition."""
        return min(self.gpus, self.gpus_per_node * max(part.nodes for part in self.partitions))

    def price(self, device_hours: float) -> float | None:
        """Return what hours of one device cost, in `currency`; None where nobody pays."""
        return None if self.price_per_gpu_hour is None else device_hours * self.price_per_gpu_hour


def _check_once(where: str, names: list[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"{name} is there twice", where, f"name {name} once")
