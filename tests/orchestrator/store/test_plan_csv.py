"""The plan as CSV: a line for each run, the same columns in each."""

import csv
from dataclasses import fields, replace
from pathlib import Path

import pytest

from orchestrator.errors import PlanError
from orchestrator.plan.plan import Axis, Cost, Plan
from orchestrator.spec.run import Stage
from orchestrator.store.plan_csv import columns, plan_csv
from orchestrator.store.study_plan import load_plan

DEMO = Path(__file__).parents[3] / "sweeps" / "demo.yaml"


@pytest.fixture(scope="module")
def plan() -> Plan:
    return load_plan(DEMO, results=Path("nowhere"))


def lines(plan: Plan) -> list[dict[str, str]]:
    return list(csv.DictReader(plan_csv(plan).splitlines()))


def test_every_run_has_a_line_in_the_plans_order(plan: Plan) -> None:
    assert [line["run_id"] for line in lines(plan)] == [run.run_id for run in plan.runs]


def test_columns_are_the_runs_name_its_axes_and_its_costs(plan: Plan) -> None:
    names = columns(plan)
    assert names[:4] == ("run_id", "stage", "arms", "needs")
    assert names[4 : -len(fields(Cost))] == (*plan.columns, "suite")
    assert names[-len(fields(Cost)) :] == tuple(field.name for field in fields(Cost))


def test_a_narrowed_plan_has_the_same_columns(plan: Plan) -> None:
    kept = tuple(run for run in plan.runs if "scaling" not in run.arms)
    assert columns(replace(plan, runs=kept)) == columns(plan)


def test_values_are_those_of_the_plan_and_absent_ones_are_empty(plan: Plan) -> None:
    for run, line in zip(plan.runs, lines(plan), strict=True):
        shown = {axis.name: axis.value for axis in run.axes}
        for name in (*plan.columns, "suite"):
            assert line[name] == (str(shown[name]) if name in shown else "")
        assert line["stage"] == run.stage.value
        assert line["arms"].split("|") == list(run.arms)
        assert [need for need in line["needs"].split("|") if need] == list(run.needs)
        for field in fields(Cost):
            assert float(line[field.name]) == getattr(run.cost, field.name)


def test_a_tower_has_no_model(plan: Plan) -> None:
    [tower] = [line for line in lines(plan) if line["stage"] == Stage.TOWER_PRETRAIN.value]
    assert tower["model"] == ""
    assert tower["needs"] == ""


def test_names_with_commas_quotes_and_lines_stay_one_value(plan: Plan) -> None:
    odd = 'a, "b"\nc'
    run = replace(plan.runs[0], axes=(Axis(name="model", value=odd),))
    text = plan_csv(replace(plan, runs=(run,)))
    [line] = csv.DictReader(text.splitlines(keepends=True))
    assert line["model"] == odd


def test_an_arm_whose_name_holds_the_separator_is_refused(plan: Plan) -> None:
    run = replace(plan.runs[0], arms=("a|b",))
    with pytest.raises(PlanError) as caught:
        plan_csv(replace(plan, runs=(run,)))
    assert caught.value.where == "arms.a|b"
