"""What a plan means for a machine: how long, how much disk, how much money. Pure."""

from dataclasses import dataclass

from orchestrator.plan.cost.throughput import Machine, calibration_lines
from orchestrator.plan.makespan.capacity import Capacity, capacity_of, this_machine
from orchestrator.plan.makespan.failures import (
    Distribution,
    FailureRates,
    simulate_failures,
)
from orchestrator.plan.makespan.makespan import Schedule, simulate
from orchestrator.plan.makespan.storage import Storage, storage
from orchestrator.plan.makespan.work import work_of
from orchestrator.plan.plan import Plan
from orchestrator.spec.launch import Keep

COURSES = 100
"""Courses of a study with failures that are simulated, each with its own seed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """How a study would go on one machine."""

    devices: int
    """Devices that it may use at once."""
    schedule: Schedule
    """Without failures, on an otherwise empty cluster."""
    failures: Distribution | None
    """With failures, if rates were given."""
    storage: tuple[Storage, ...]
    """Disk by retention policy."""
    price: float | None
    """Of all device hours, in the profile's currency; None where the profile has no price."""
    currency: str | None
    """Of the price."""
    calibration: tuple[str, ...]
    """What each calibration of the profile implies, a line each for people."""


def outlook(plan: Plan, machine: Machine, slots: int, rates: FailureRates | None = None) -> Outlook:
    """Simulate a plan on a machine.

    Args:
        plan: what is to be done.
        machine: where; a profile's cluster, or this machine.
        slots: runs at once on this machine; a cluster has its own number of devices.
        rates: how often jobs fail; None for a world without failures.

    Raises:
        PlanError: if a run is wider than the machine, or would hardly ever get on.
    """
    capacity = _capacity(machine, slots)
    work = work_of(plan)
    schedule = simulate(work, capacity)
    profile = machine.profile
    price = profile.price(sum(run.cost.device_hours for run in plan.runs)) if profile else None
    return Outlook(
        devices=capacity.devices,
        schedule=schedule,
        failures=simulate_failures(work, capacity, rates, range(COURSES)) if rates else None,
        storage=tuple(storage(work, schedule, keep) for keep in Keep),
        price=price,
        currency=profile.currency if profile and price is not None else None,
        calibration=calibration_lines(profile) if profile else (),
    )


def _capacity(machine: Machine, slots: int) -> Capacity:
    return this_machine(slots) if machine.profile is None else capacity_of(machine.profile)
