"""What is said of a run: its cells, what it needs and saves, and the run that it is most like."""

import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.cli.why_words import SHOWN, State, why_lines, why_object
from orchestrator.plan.compare.why import why_of
from orchestrator.plan.plan import Plan, PlannedRun
from orchestrator.spec.run import Evaluate, Stage
from orchestrator.spec.suite import SuiteKind
from orchestrator.store.study_plan import load_plan

SWEEPS = Path(__file__).parents[3] / "sweeps"


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return load_plan(SWEEPS / "smoke.yaml", results=tmp_path)


def of_stage(plan: Plan, stage: Stage) -> list[PlannedRun]:
    return [run for run in plan.runs if run.stage is stage]


def told(plan: Plan, run: PlannedRun, state: State | None = None) -> dict[str, Any]:
    return json.loads(json.dumps(why_object(why_of(plan, run), state)))


def text(plan: Plan, run: PlannedRun, state: State | None = None) -> str:
    return "\n".join(why_lines(why_of(plan, run), state))


def test_json_says_everything_about_a_run(plan: Plan) -> None:
    segment = of_stage(plan, Stage.TEXT_PRETRAIN)[0]
    found = told(plan, segment)
    runs = {run.run_id: run for run in plan.runs}
    assert found["run_id"] == segment.run_id
    assert found["stage"] == "text_pretrain"
    assert found["arms"] == list(segment.arms)
    assert found["replaces"] == len(found["models"]) > 1
    assert found["saved_tokens"] == (found["replaces"] - 1) * segment.cost.tokens
    assert found["cost"]["tokens"] == segment.cost.tokens
    assert found["chain"][0]["run_id"] == segment.run_id
    assert runs[found["chain"][-1]["run_id"]].cells
    assert [need["run_id"] for need in found["needs"]] == list(segment.needs)
    assert all(segment.run_id in runs[each["run_id"]].needs for each in found["needed_by"])
    assert found["like"]["stage"] == "text_pretrain"
    for sides in found["like"]["settings"].values():
        assert sides["here"] != sides["there"]
    assert found["state"] is None


def test_a_measurement_on_held_out_data_names_its_branch_and_the_models_on_it(plan: Plan) -> None:
    asked = next(
        run
        for run in of_stage(plan, Stage.EVALUATE)
        if isinstance(run.config, Evaluate) and run.config.suite.kind is SuiteKind.HELD_OUT
    )
    assert isinstance(asked.config, Evaluate)
    shown = text(plan, asked)
    (model,) = why_of(plan, asked).models
    said = f"It asks held_out of image_text_pretrain {asked.config.parent}. 1 model of"
    assert f"{said} {', '.join(asked.arms)} stands on it:" in shown
    assert f"  {model.run_id}  finetune: {model.title}" in shown


def test_cells_are_said_with_their_axes(plan: Plan) -> None:
    model = next(run for run in plan.runs if len(run.cells) > 1)
    assert told(plan, model)["cells"] == [
        {"arm": cell.arm, **{axis.name: axis.value for axis in cell.axes}} for cell in model.cells
    ]
    shown = text(plan, model)
    assert f"fills {len(model.cells)} cells" in shown
    assert "arm timing: model 10k, cooldown_point 80%\n" in shown
    assert "arm ratio_after_text: image_ratio 30%\n" in shown


@pytest.mark.parametrize("stage", list(Stage))
def test_every_kind_of_run_is_explained(stage: Stage, tmp_path: Path) -> None:
    study = "smoke" if stage is Stage.TOWER_PRETRAIN else "curation"
    plan = load_plan(SWEEPS / f"{study}.yaml", results=tmp_path)
    run = of_stage(plan, stage)[-1]
    shown = text(plan, run)
    assert shown.startswith(f"{stage} {run.run_id}: {run.title}\n")
    assert all(need in shown for need in run.needs)
    assert all(arm in shown for arm in run.arms)
    assert "Feeds " in shown
    assert "Costs " in shown


def test_a_run_that_fills_nothing_shows_the_way_to_a_model(plan: Plan) -> None:
    branch = of_stage(plan, Stage.IMAGE_TEXT_PRETRAIN)[0]
    [model] = [run for run in plan.runs if branch.run_id in run.needs and run.cells]
    lines = text(plan, branch).splitlines()
    assert lines[1] == "It fills no cell of an arm. 1 model of timing stands on it:"
    assert lines[2] == f"  {branch.run_id}  {branch.stage}  (this run)"
    assert lines[3] == f"  {model.run_id}  {model.stage}: {model.title}"
    assert lines[4].startswith("  arm timing: ")


def test_a_model_that_others_stand_on_says_so(plan: Plan) -> None:
    [trunk] = [run for run in plan.runs if run.cells and why_of(plan, run).replaces == 2]
    arms = ", ".join(trunk.arms)
    assert f"\n1 other model of {arms} stands on it as well.\n" in text(plan, trunk)


def test_what_sharing_saves_is_said_where_it_saves(plan: Plan) -> None:
    shared = [run for run in plan.runs if why_of(plan, run).replaces > 1]
    assert shared
    for run in plan.runs:
        assert ("It is trained once instead of" in text(plan, run)) == (run in shared)


def test_the_most_similar_run_is_shown_with_what_differs(tmp_path: Path) -> None:
    plan = load_plan(SWEEPS / "paper.yaml", results=tmp_path)
    one, other = of_stage(plan, Stage.FINETUNE)[:2]
    shown = text(plan, one)
    assert f"Most like finetune {other.run_id}" in shown
    assert shown.endswith("  1 setting differs (here / there):\n  stages.finetune.epochs: 1 / 2")


def test_long_lists_are_cut_and_counted(tmp_path: Path) -> None:
    sets = ("arms.timing.axes.epochs=[1,2,3,4,5,6,7,8,9,10,11,12]",)
    sets += ("stages.average.over.epochs=[1,2,3,4,5,6,7,8,9,10]",)
    sets += ("arms.timing.stages=[text_pretrain,image_text_pretrain,finetune,average]",)
    plan = load_plan(SWEEPS / "smoke.yaml", sets, tmp_path)
    soup = of_stage(plan, Stage.AVERAGE)[0]
    lines = text(plan, soup).splitlines()
    begin = lines.index("Needs:")
    assert len(soup.needs) == 11  # ten members and the tower
    assert lines[begin + SHOWN + 1] == f"  and {11 - SHOWN} more"


def test_a_state_is_said_first(plan: Plan) -> None:
    state: State = {"state": "failed", "reason": "the disk is full"}
    lines = text(plan, plan.runs[0], state).splitlines()
    assert lines[1] == "It is failed: the disk is full."
    assert told(plan, plan.runs[0], state)["state"] == state
