"""Which checkpoints of finished runs may go: none that an unfinished run still reads. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from orchestrator.plan.actions import needed_runs
from orchestrator.plan.observed import Observed, State
from orchestrator.plan.plan import Plan, PlannedRun
from orchestrator.spec.launch import Keep
from orchestrator.spec.run import Stage


class Part(StrEnum):
    """What of a run's checkpoints may go."""

    OPTIMIZER = "optimizer"
    """The optimizer's state: nothing goes on training from here."""
    CHECKPOINTS = "checkpoints"
    """All of them: nothing reads them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surplus:
    """Something that a policy does not keep."""

    run: PlannedRun
    """Whose."""
    part: Part
    """What of it."""


def surplus(plan: Plan, observed: Mapping[str, Observed], keep: Keep) -> tuple[Surplus, ...]:
    """Return what may go, in the plan's order.

    A run that is not done keeps everything, and so does one that a run still to be made needs.
    What is left is as `storage` counts it for the policy at the end of the study.

    Args:
        plan: the runs.
        observed: where each run stands.
        keep: the policy.
    """
    needed = needed_runs(plan, observed)
    read = {parent for run in plan.runs if run.run_id in needed for parent in run.needs}
    found: list[Surplus] = []
    for run in plan.runs:
        part = _part(run, keep)
        is_free = observed[run.run_id].state is State.DONE and run.run_id not in read
        if part is not None and is_free:
            found.append(Surplus(run=run, part=part))
    return tuple(found)


def _part(run: PlannedRun, keep: Keep) -> Part | None:
    if not run.cost.checkpoint_bytes or keep is Keep.ALL:
        return None
    if keep is Keep.MILESTONES and run.stage is Stage.TEXT_PRETRAIN:
        return None
    return Part.OPTIMIZER if run.cells else Part.CHECKPOINTS
