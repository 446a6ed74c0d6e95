"""What may go: nothing that is still read, and the rest as the forecast of the disk says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from orchestrator.plan.makespan.storage import CHECKPOINT_PARTS, storage
from orchestrator.plan.makespan.work import work_of
from orchestrator.plan.observed import Observed, State
from orchestrator.plan.retention import Part, Surplus, surplus
from orchestrator.spec.launch import Keep
from orchestrator.spec.run import Stage
from orchestrator.store.study_plan import load_plan

if TYPE_CHECKING:
    from orchestrator.plan.plan import Plan, PlannedRun

ROOT = Path(__file__).parents[3]
DONE, PLANNED = Observed(state=State.DONE, attempts=1), Observed(state=State.PLANNED)


@pytest.fixture(scope="module", params=["smoke", "demo", "rewarm", "curation"])
def plan(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Plan:
    results = tmp_path_factory.mktemp("results")
    return load_plan(ROOT / "sweeps" / f"{request.param}.yaml", results=results)


def left_bytes(run: PlannedRun, gone: dict[str, Surplus]) -> int:
    """Return what is left of a finished run's checkpoint, whose weights are a third of it."""
    whole = run.cost.checkpoint_bytes
    weights = whole // CHECKPOINT_PARTS
    part = gone[run.run_id].part if run.run_id in gone else None
    if part is Part.CHECKPOINTS:
        return 0
    return whole if part is None and run.stage is Stage.TEXT_PRETRAIN else weights


@pytest.mark.parametrize("keep", list(Keep))
def test_what_is_left_of_a_finished_study_is_what_the_plan_foretold(plan: Plan, keep: Keep) -> None:
    observed = {run.run_id: DONE for run in plan.runs}
    gone = {item.run.run_id: item for item in surplus(plan, observed, keep)}
    left = sum(left_bytes(run, gone) for run in plan.runs)
    assert left == storage(work_of(plan), None, keep).end_bytes


@pytest.mark.parametrize("keep", list(Keep))
def test_nothing_goes_that_a_run_still_to_be_made_reads(plan: Plan, keep: Keep) -> None:
    last = plan.runs[-1]
    observed = {run.run_id: DONE for run in plan.runs} | {last.run_id: PLANNED}
    gone = {item.run.run_id for item in surplus(plan, observed, keep)}
    assert not gone & {*last.needs, last.run_id}


def test_nothing_goes_of_a_run_that_is_not_done(plan: Plan) -> None:
    assert surplus(plan, {run.run_id: PLANNED for run in plan.runs}, Keep.NEEDED) == ()
