"""From what is to be submitted to what is asked of the cluster. Pure."""

from collections.abc import Mapping, Sequence

from orchestrator.launch.slurm.arrays import Ask
from orchestrator.launch.slurm.shape import shape_of
from orchestrator.plan.actions import Action
from orchestrator.plan.plan import Plan, PlannedRun
from orchestrator.spec.execution import Device
from orchestrator.spec.profile import Profile


def asks_for(plan: Plan, actions: Sequence[Action], profile: Profile, device: Device) -> list[Ask]:
    """Return what submissions ask for, in their order.

    A run that waits for two others, of which one waits for the other, need only wait for the last:
    fewer waits make longer arrays.

    Raises:
        LaunchError: if no partition has room for a run.
    """
    runs = {run.run_id: run for run in plan.runs}
    above: dict[str, frozenset[str]] = {}
    return [
        Ask(
            run_id=action.run_id,
            shape=shape_of(runs[action.run_id], profile, device, action.step),
            after=_last(action.after, runs, above),
        )
        for action in actions
    ]


def _last(
    after: Sequence[str], runs: Mapping[str, PlannedRun], above: dict[str, frozenset[str]]
) -> tuple[str, ...]:
    """Leave out what another one waits for."""
    if len(after) < 2:
        return tuple(after)
    covered = frozenset[str]().union(*(_ancestors(name, runs, above) for name in after))
    return tuple(name for name in after if name not in covered)


def _ancestors(
    name: str, runs: Mapping[str, PlannedRun], above: dict[str, frozenset[str]]
) -> frozenset[str]:
    """Return all that a run needs, directly or not."""
    if name not in above:
        needs = runs[name].needs
        above[name] = frozenset(needs).union(*(_ancestors(need, runs, above) for need in needs))
    return above[name]
