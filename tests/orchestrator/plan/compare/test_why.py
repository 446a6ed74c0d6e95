"""Why a run exists: the arms it serves, the trainings it replaces, the run it is most like."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import PlanError
from orchestrator.plan.compare.recipe import Recipes, contrasts
from orchestrator.plan.compare.why import MOST_CANDIDATES, find_run, why_of
from orchestrator.plan.plan import Plan, PlannedRun
from orchestrator.spec.run import Evaluate, Stage
from orchestrator.store.study_plan import load_plan

PlanTree = Callable[[dict[str, Any]], Plan]
SWEEPS = Path(__file__).parents[4] / "sweeps"


def of_stage(plan: Plan, stage: Stage) -> list[PlannedRun]:
    return [run for run in plan.runs if run.stage is stage]


@pytest.fixture(params=["smoke", "curation", "rewarm"])
def plan(request: pytest.FixtureRequest, tmp_path: Path) -> Plan:
    return load_plan(SWEEPS / f"{request.param}.yaml", results=tmp_path)


def test_what_each_run_saves_adds_up_to_what_the_plan_says(plan: Plan) -> None:
    found = [why_of(plan, run) for run in plan.runs]
    assert sum(each.saved_tokens for each in found) == plan.saving.tokens > 0
    hours = sum(each.saved_device_hours for each in found)
    assert hours == pytest.approx(plan.saving.device_hours, rel=1e-9)  # sums in another order


def test_every_run_leads_to_a_model_that_fills_a_cell_of_its_arms(plan: Plan) -> None:
    for run in plan.runs:
        found = why_of(plan, run)
        assert found.chain[0] is run
        assert found.chain[-1] in found.models
        assert all(model.cells for model in found.models)
        arms = {cell.arm for model in found.models for cell in model.cells}
        assert arms == set(run.arms)
        for earlier, later in itertools.pairwise(found.chain):
            if isinstance(earlier.config, Evaluate):
                assert later.run_id == earlier.config.parent
            else:
                assert earlier.run_id in later.needs


def test_models_and_needs_are_those_of_a_plain_search(plan: Plan) -> None:
    for run in plan.runs:
        found = why_of(plan, run)
        assert [need.run_id for need in found.needs] == list(run.needs)
        assert [each for each in plan.runs if run.run_id in each.needs] == list(found.needed_by)
        if not isinstance(run.config, Evaluate):
            steps = {each.run_id: steps_to(plan, each, run) for each in plan.runs if each.cells}
            known = {name: number for name, number in steps.items() if number is not None}
            assert {model.run_id for model in found.models} == set(known)
            assert len(found.chain) - 1 == min(known.values())


def steps_to(plan: Plan, run: PlannedRun, on: PlannedRun) -> int | None:
    """Return how many steps a run stands above another; None if it does not stand on it."""
    if run is on:
        return 0
    runs = {each.run_id: each for each in plan.runs}
    below = [steps_to(plan, runs[need], on) for need in run.needs]
    return min((steps + 1 for steps in below if steps is not None), default=None)


def test_no_other_run_differs_in_fewer_settings(plan: Plan) -> None:
    recipes = Recipes(plan.runs)
    for run in plan.runs:
        found = why_of(plan, run)
        others = [each for each in plan.runs if each.stage is run.stage and each is not run]
        if not others:
            assert found.like is None
            continue
        assert found.like is not None
        assert found.like.run in others
        assert found.like.contrasts == contrasts(recipes.of(run), recipes.of(found.like.run))
        fewest = min(len(contrasts(recipes.of(run), recipes.of(other))) for other in others)
        assert len(found.like.contrasts) == fewest


def test_the_nearest_run_is_told_by_what_differs_and_not_by_a_parents_name(
    tree: dict[str, Any], plan_tree: PlanTree
) -> None:
    tree["arms"] = {"a": {"axes": {"cooldown_point": ["40%", "80%"]}, "fixed": {"model": "s"}}}
    plan = plan_tree(tree)
    early, late = of_stage(plan, Stage.FINETUNE)
    like = why_of(plan, early).like
    assert like is not None
    assert like.run is late
    [found] = like.contrasts
    assert (found.place, found.one, found.other) == (
        "stages.text_pretrain.end_tokens",
        2_560,
        5_120,
    )
    assert [(each.place, each.one, each.other) for each in like.axes] == [
        ("cooldown_point", 0.4, 0.8)
    ]


def test_a_shared_trunk_replaces_one_training_for_each_model_on_it(
    tree: dict[str, Any], plan_tree: PlanTree
) -> None:
    # Of the points 0, 40, 80 and 100 %, three stand on the first segment and one on the last.
    plan = plan_tree(tree)
    first, second, third = (why_of(plan, run) for run in of_stage(plan, Stage.TEXT_PRETRAIN)[:3])
    assert [found.replaces for found in (first, second, third)] == [3, 2, 1]
    assert first.saved_tokens == 2 * 2_560
    assert third.saved_tokens == 0
    assert first.trained is not None
    assert third.trained is not None
    assert (first.trained.tokens, third.trained.tokens) == (2_560, 6_400)


def test_towers_and_evaluations_are_not_counted_as_trainings_saved(
    tree: dict[str, Any], plan_tree: PlanTree
) -> None:
    plan = plan_tree(tree)
    for stage in (Stage.TOWER_PRETRAIN, Stage.EVALUATE):
        for run in of_stage(plan, stage):
            found = why_of(plan, run)
            assert (found.replaces, found.saved_tokens, found.trained) == (1, 0, None)


def test_figures_are_those_of_all_arms_that_a_run_serves(
    tree: dict[str, Any], plan_tree: PlanTree
) -> None:
    tree["arms"]["other"] = {
        "axes": {"epochs": [3]},
        "fixed": {"model": "s", "cooldown_point": "80%"},
        "feeds": ["table_7", "figure_4", "figure_1"],
    }
    plan = plan_tree(tree)
    segments = of_stage(plan, Stage.TEXT_PRETRAIN)
    assert why_of(plan, segments[1]).feeds == ("figure_1", "figure_4", "table_7")
    assert why_of(plan, segments[2]).feeds == ("figure_4",)


def test_a_run_is_found_by_its_name_or_how_that_begins(plan: Plan) -> None:
    names = [run.run_id for run in plan.runs]
    for run in plan.runs:
        assert find_run(plan, run.run_id) is run
        assert find_run(plan, run.run_id.upper()) is run
        begins = next(
            run.run_id[:length]
            for length in range(1, 13)
            if sum(name.startswith(run.run_id[:length]) for name in names) == 1
        )
        assert find_run(plan, begins) is run


def test_a_beginning_of_several_names_is_refused_with_candidates(plan: Plan) -> None:
    with pytest.raises(PlanError) as caught:
        find_run(plan, "")
    assert f"{len(plan.runs)} runs" in caught.value.what
    assert caught.value.where == "RUN"
    shown = [run for run in plan.runs if run.run_id in caught.value.mend]
    assert len(shown) == MOST_CANDIDATES
    assert all(run.title in caught.value.mend for run in shown)
    assert f"{len(plan.runs) - MOST_CANDIDATES} more" in caught.value.mend


def test_an_unknown_name_is_refused_with_the_most_similar(plan: Plan) -> None:
    meant = plan.runs[3]
    mistyped = meant.run_id[:-1] + ("0" if meant.run_id[-1] != "0" else "1")
    with pytest.raises(PlanError) as caught:
        find_run(plan, mistyped)
    assert mistyped in caught.value.what
    assert f"similar are {meant.run_id} ({meant.stage}: {meant.title})" in caught.value.mend
