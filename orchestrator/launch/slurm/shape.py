"""What a run asks of the cluster: nodes, devices, memory, time. Pure."""

import math
from dataclasses import dataclass, replace

from orchestrator.errors import LaunchError
from orchestrator.plan.causes import Step
from orchestrator.plan.plan import PlannedRun
from orchestrator.spec.execution import Device
from orchestrator.spec.profile import Partition, Profile

SAFETY = 2.0
"""Time asked for over the estimate. An assumption; a longer run goes on in its next life."""

START_UP_MINUTES = 10.0
"""Added for imports and loading. An assumption."""

STEPS_MINUTES = (30, 60, 120, 240, 480, 720, 1440, 2880, 4320, 5760, 7200, 10080)
"""Times are rounded up to these, so that shapes are few and arrays long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterShape:
    """What one run's job asks for."""

    partition: str
    """Where it runs."""
    nodes: int
    """Nodes. At least 1."""
    tasks_per_node: int
    """Processes on each node. At least 1."""
    gpus_per_node: int
    """Devices on each node; 0 for a run on CPUs."""
    minutes: int
    """Time limit. At least 1."""
    memory_factor: float = 1.0
    """Host memory over what the profile says, after it ran out."""
    exclude: tuple[str, ...] = ()
    """Nodes not to use."""


def shape_of(run: PlannedRun, profile: Profile, device: Device, step: Step | None) -> ClusterShape:
    """Return what a run's job asks for.

    Args:
        run: with its devices and hours.
        profile: the cluster.
        device: what it computes on: without GPUs the processes are as many.
        step: what changes after a failure.

    Raises:
        LaunchError: if no partition has room for it.
    """
    tasks = run.cost.devices
    per_node = min(tasks, profile.gpus_per_node)
    nodes = math.ceil(tasks / per_node)
    if tasks % per_node:
        raise LaunchError(
            f"{tasks} devices do not fill nodes of {profile.gpus_per_node}",
            f"run {run.run_id}, profile {profile.profile}",
            f"give its model a layout of a multiple of {profile.gpus_per_node} devices",
        )
    partition, minutes = _place(run, profile, nodes)
    shape = ClusterShape(
        partition=partition.name,
        nodes=nodes,
        tasks_per_node=per_node,
        gpus_per_node=per_node if device is Device.CUDA else 0,
        minutes=minutes,
    )
    if step is None:
        return shape
    return replace(shape, memory_factor=step.memory_factor, exclude=step.avoid)


def _place(run: PlannedRun, profile: Profile, nodes: int) -> tuple[Partition, int]:
    """Return the first partition that has the nodes and the time, else the most patient one."""
    wide = [part for part in profile.partitions if part.nodes >= nodes]
    if not wide:
        raise LaunchError(
            f"a run needs {nodes} nodes, which no partition has",
            f"run {run.run_id}, profile {profile.profile}",
            "give its model a layout of fewer devices",
        )
    wanted = _rounded(60 * run.cost.wall_hours * SAFETY + START_UP_MINUTES)
    for part in wide:
        if part.max_hours is None or wanted <= 60 * part.max_hours:
            return part, wanted
    longest = max(wide, key=lambda part: part.max_hours or math.inf)
    return longest, max(1, math.floor(60 * (longest.max_hours or 0)))


def _rounded(minutes: float) -> int:
    for step in STEPS_MINUTES:
        if minutes <= step:
            return step
    return math.ceil(minutes / STEPS_MINUTES[-1]) * STEPS_MINUTES[-1]
