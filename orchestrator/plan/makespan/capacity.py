"""The devices that a study may work on, and the limits on their use. Pure."""

import math
from dataclasses import dataclass

from orchestrator.errors import PlanError
from orchestrator.plan.makespan.work import Work
from orchestrator.spec.checks import check_at_least, check_positive
from orchestrator.spec.profile import Profile

WORTHWHILE = 1.1
"""How much longer than in the best pool a run may take in another: an assumption."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """Equal nodes with one time limit: a partition, or this machine.

    Raises:
        ConfigError: if a value lies outside the range stated below.
    """

    name: str
    """For people."""
    nodes: int
    """Nodes in it. At least 1."""
    devices_per_node: int
    """Devices of one node. At least 1."""
    max_hours: float | None = None
    """Longest job; None where there is no limit. Above 0."""

    def __post_init__(self) -> None:
        check_at_least("nodes", self.nodes, 1)
        check_at_least("devices_per_node", self.devices_per_node, 1)
        if self.max_hours is not None:
            check_positive("max_hours", self.max_hours)

    @property
    def limit_hours(self) -> float:
        """Longest job, infinite where there is no limit."""
        return math.inf if self.max_hours is None else self.max_hours

    def nodes_of(self, devices: int) -> int:
        """Return on how many nodes a job of so many devices lies."""
        return math.ceil(devices / self.devices_per_node)

    def held(self, devices: int) -> int:
        """Return the devices that a job holds: whole nodes as soon as it fills one."""
        if devices < self.devices_per_node:
            return devices
        return self.nodes_of(devices) * self.devices_per_node

    def jobs(self, hours: float, restart_hours: float) -> int:
        """Return how many jobs, one after the other, so much work takes. Limit above restart."""
        if hours <= self.limit_hours:
            return 1
        return 1 + math.ceil((hours - self.limit_hours) / (self.limit_hours - restart_hours))

    def chain_hours(self, hours: float, restart_hours: float) -> float:
        """Return the hours of those jobs, the restarts included."""
        return hours + (self.jobs(hours, restart_hours) - 1) * restart_hours


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """Everything that one user can work on.

    Raises:
        ConfigError: if a value lies outside the range stated below.
    """

    pools: tuple[Pool, ...]
    """At least one."""
    max_devices: int | None = None
    """Devices held at once, over all pools; None for all of them. At least 1."""
    max_jobs: int | None = None
    """Jobs at once, over all pools; None for no limit. At least 1."""

    def __post_init__(self) -> None:
        check_at_least("pools", len(self.pools), 1)
        for name in ("max_devices", "max_jobs"):
            value = getattr(self, name)
            if value is not None:
                check_at_least(name, value, 1)

    @property
    def devices(self) -> int:
        """Devices that can be held at once."""
        everything = sum(pool.nodes * pool.devices_per_node for pool in self.pools)
        return everything if self.max_devices is None else min(self.max_devices, everything)


def capacity_of(profile: Profile) -> Capacity:
    """Return what a profile's cluster gives to one user."""
    return Capacity(
        pools=tuple(
            Pool(
                name=partition.name,
                nodes=partition.nodes,
                devices_per_node=profile.gpus_per_node,
                max_hours=partition.max_hours,
            )
            for partition in profile.partitions
        ),
        max_devices=profile.max_gpus,
        max_jobs=profile.max_jobs,
    )


def this_machine(devices: int) -> Capacity:
    """Return one node of so many slots, without limits."""
    return Capacity(pools=(Pool(name="this machine", nodes=1, devices_per_node=devices),))


def pools_for(run: Work, capacity: Capacity, restart_hours: float) -> tuple[int, ...]:
    """Return the places of the pools in which a run may start.

    Left out are those too small for it, and those whose time limit makes it restart so often that
    nobody would queue there.

    Raises:
        PlanError: if there is none: it is wider than all of them, or no job gets beyond restarting.
    """
    large_enough = [
        place
        for place, pool in enumerate(capacity.pools)
        if pool.nodes_of(run.devices) <= pool.nodes and pool.held(run.devices) <= capacity.devices
    ]
    if not large_enough:
        raise PlanError(
            f"{run.label} works on {run.devices} devices at once; a run can have at most "
            f"{max(_widest(pool, capacity.devices) for pool in capacity.pools)} here",
            where=f"run {run.run_id}: devices",
            mend="spread it over fewer devices, or plan for a larger cluster",
        )
    hours = {
        place: capacity.pools[place].chain_hours(run.hours, restart_hours)
        for place in large_enough
        if capacity.pools[place].limit_hours > restart_hours
    }
    if not hours:
        longest = max(capacity.pools[place].limit_hours for place in large_enough)
        raise PlanError(
            f"a job of {run.label} ends after {longest:g} hours, when it has hardly restarted "
            f"({restart_hours:g} hours)",
            where=f"run {run.run_id}: hours",
            mend="plan for a partition with longer jobs",
        )
    worthwhile = min(hours.values()) * WORTHWHILE
    return tuple(place for place, taken in hours.items() if taken <= worthwhile)


def _widest(pool: Pool, most: int) -> int:
    """Return the devices of the widest run that a pool can hold."""
    whole_nodes = min(pool.nodes, most // pool.devices_per_node)
    return whole_nodes * pool.devices_per_node or min(most, pool.devices_per_node - 1)
