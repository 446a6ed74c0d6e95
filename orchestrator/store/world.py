"""The processes that make one attempt together, as their launcher numbered them. Pure."""

from dataclasses import dataclass

from orchestrator.spec.checks import check_at_least


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """One process's place among those of its attempt. The first writes; all compute.

    Raises:
        ConfigError: if a value lies outside the range stated below.
    """

    rank: int = 0
    """This process, from 0. The process 0 holds the lease and writes the run's folder."""
    size: int = 1
    """Processes. At least 1."""
    local_rank: int = 0
    """This process among those of its node, from 0: the number of its device."""
    address: str = "127.0.0.1"
    """Machine of process 0, as the others reach it."""
    port: int = 29_400
    """TCP port on which process 0 gathers the others."""

    def __post_init__(self) -> None:
        check_at_least("size", self.size, 1)
        check_at_least("rank", self.rank, 0)
        check_at_least("local_rank", self.local_rank, 0)

    @property
    def is_first(self) -> bool:
        """Whether this process writes."""
        return self.rank == 0
