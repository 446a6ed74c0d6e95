"""A part of a plan holds what it needs and nothing else."""

from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import PlanError
from orchestrator.plan.narrow import Part, narrow
from orchestrator.plan.plan import Plan
from orchestrator.spec.run import Evaluate, Stage
from orchestrator.spec.suite import SuiteKind
from orchestrator.store.study_plan import load_plan
from tests.orchestrator.plan.conftest import PlanTree

DEMO = Path(__file__).parents[3] / "sweeps" / "demo.yaml"


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    return load_plan(DEMO, results=tmp_path_factory.mktemp("results"))


PARTS = [
    Part(arms=("epochs",)),
    Part(figures=("5",)),
    Part(figures=("figure_5", "figure_8")),
    Part(models=("55k",)),
    Part(arms=("timing",), models=("27k",)),
]


def evaluations(plan: Plan) -> dict[str, Evaluate]:
    return {run.run_id: run.config for run in plan.runs if isinstance(run.config, Evaluate)}


def is_before(config: Evaluate) -> bool:
    """Whether a model is asked before it is fine-tuned."""
    return config.suite.kind is SuiteKind.HELD_OUT


@pytest.mark.parametrize("part", PARTS, ids=str)
def test_a_part_is_closed_under_what_its_runs_need(plan: Plan, part: Part) -> None:
    narrowed = narrow(plan, part)
    known = {run.run_id for run in narrowed.runs}
    assert known < {run.run_id for run in plan.runs}
    assert all(set(run.needs) <= known for run in narrowed.runs)
    order = [run.run_id for run in plan.runs if run.run_id in known]
    assert [run.run_id for run in narrowed.runs] == order


@pytest.mark.parametrize("part", PARTS, ids=str)
def test_its_models_are_those_asked_for_with_all_their_evaluations(plan: Plan, part: Part) -> None:
    narrowed = narrow(plan, part)
    models = {run.run_id for run in narrowed.runs if run.cells}
    asked = {config.parent for config in evaluations(narrowed).values() if not is_before(config)}
    assert models >= asked
    kept = {run.run_id for run in narrowed.runs}
    for run_id, config in evaluations(plan).items():
        if config.parent in (kept if is_before(config) else asked):
            assert run_id in kept


def test_held_out_data_are_measured_of_the_branches_that_its_models_stand_on(
    tmp_path: Path,
) -> None:
    plan = load_plan(DEMO.with_name("smoke.yaml"), results=tmp_path)
    narrowed = narrow(plan, Part(arms=("ratio_after_text",)))
    asked = [config.parent for config in evaluations(narrowed).values() if is_before(config)]
    branches = [run.run_id for run in narrowed.runs if run.stage is Stage.IMAGE_TEXT_PRETRAIN]
    assert sorted(asked) == sorted(branches)
    assert len(branches) == 2  # of the plan's four


def test_nothing_asked_for_is_everything(plan: Plan) -> None:
    assert narrow(plan, Part()) == plan


def test_an_arm_is_narrowed_to_its_own_models(plan: Plan) -> None:
    narrowed = narrow(plan, Part(arms=("epochs",)))
    own = {run.run_id for run in plan.runs if any(cell.arm == "epochs" for cell in run.cells)}
    finals = {config.parent for config in evaluations(narrowed).values() if not is_before(config)}
    assert finals == own
    assert [arm.name for arm in narrowed.arms] == ["epochs"]
    assert all(run.arms == ("epochs",) for run in narrowed.runs)
    assert narrowed.saving.tokens < plan.saving.tokens


def test_an_arm_asks_shared_models_its_own_questions_alone(
    tree: dict[str, Any], plan_tree: PlanTree
) -> None:
    timing = tree["arms"]["timing"]
    tree["arms"]["words"] = {**timing, "fixed": {"stages.evaluate.suites": ["text"]}}
    plan = plan_tree(tree)
    suites = {
        arm: {config.suite.name for config in evaluations(narrow(plan, Part(arms=(arm,)))).values()}
        for arm in ("timing", "words")
    }
    assert suites == {"timing": {"text", "vision"}, "words": {"text"}}


def test_a_model_takes_its_own_trunk_alone(plan: Plan) -> None:
    for run in narrow(plan, Part(models=("55k",))).runs:
        shown = {axis.name: axis.value for axis in run.axes}
        assert shown.get("model", "55k") == "55k"


@pytest.mark.parametrize(
    ("part", "where"),
    [
        (Part(arms=("timming",)), "--arm"),
        (Part(figures=("12",)), "--figure"),
        (Part(models=("7b",)), "--model"),
    ],
)
def test_a_part_that_is_not_there_is_refused_with_what_is(
    plan: Plan, part: Part, where: str
) -> None:
    with pytest.raises(PlanError) as caught:
        narrow(plan, part)
    assert caught.value.where == where
    assert "choose from" in caught.value.mend
