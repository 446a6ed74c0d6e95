"""Recipes: a change is named once, where it comes from, and no two runs read the same."""

import copy
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orchestrator.plan.compare.recipe import INHERITED, Contrast, Recipes, contrasts
from orchestrator.plan.plan import Plan
from orchestrator.spec.run import Stage
from orchestrator.store.study_plan import load_plan

PlanTree = Callable[[dict[str, Any]], Plan]
STUDIES = sorted((Path(__file__).parents[4] / "sweeps").glob("*.yaml"))
TEXT, BRANCH, FINETUNE = ("stages.text_pretrain", "stages.image_text_pretrain", "stages.finetune")


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_different_runs_have_different_recipes(path: Path, tmp_path: Path) -> None:
    plan = load_plan(path, results=tmp_path)
    recipes = Recipes(plan.runs)
    said = Counter((run.stage, tuple(sorted(recipes.of(run).items()))) for run in plan.runs)
    assert set(said.values()) == {1}


def set_at(tree: dict[str, Any], place: str, value: Any) -> dict[str, Any]:
    tree = copy.deepcopy(tree)
    inner = tree
    *path, last = place.split(".")
    for step in path:
        inner = inner[step]
    inner[last] = value
    return tree


@pytest.mark.parametrize(
    ("place", "value", "named"),
    [
        (f"{TEXT}.learning_rate.peak", 4e-3, {f"{TEXT}.learning_rate.peak"}),
        (f"{TEXT}.optimizer", {"beta2": 0.99}, {f"{TEXT}.optimizer.beta2"}),
        (f"{TEXT}.val_text", "world/val", {f"{TEXT}.val_text"}),
        (f"{TEXT}.text", "world/more", {f"{TEXT}.text"}),
        (f"{TEXT}.batch_tokens", 32, {f"{TEXT}.batch_tokens", f"{TEXT}.learning_rate.warmup"}),
        (f"{BRANCH}.batch_tokens", 32, {f"{BRANCH}.batch_tokens"}),
        (f"{BRANCH}.image_ratio", 0.25, {f"{BRANCH}.image_ratio"}),
        (f"{BRANCH}.learning_rate.final", 1e-5, {f"{BRANCH}.learning_rate.final"}),
        (f"{BRANCH}.val_captions", "world/val", {f"{BRANCH}.val_captions"}),
        (f"{FINETUNE}.learning_rate.peak", 2e-3, {f"{FINETUNE}.learning_rate.peak"}),
        (f"{FINETUNE}.epochs", 2, {f"{FINETUNE}.epochs"}),
        (f"{FINETUNE}.examples", 200, {f"{FINETUNE}.examples"}),
        ("stages.tower_pretrain.seed", 3, {"stages.tower_pretrain.seed"}),
        ("models.s.depth", 3, {"model.depth"}),
        ("encoders.tower.projector", "linear", {"encoder.projector"}),
        ("suites.text.limit", 7, {"suite.limit"}),
        ("data.world.seed", 2, {"data.world.version"}),
        ("functions", {"finetune": "own:finetune"}, {"functions.finetune"}),
        ("seed", 3, {"seed"}),
    ],
)
def test_a_changed_setting_is_named_once_whatever_stands_on_it(
    place: str, value: Any, named: set[str], tree: dict[str, Any], plan_tree: PlanTree
) -> None:
    # Branches of a trunk, past its warm-up, so that each has something to take over.
    tree["arms"]["timing"]["axes"] = {"model": ["s"], "cooldown_point": ["40%", "80%"]}
    plans = (plan_tree(tree), plan_tree(set_at(tree, place, value)))
    recipes = [Recipes(plan.runs) for plan in plans]
    pairs = zip(plans[0].runs, plans[1].runs, strict=True)
    moved = [pair for pair in pairs if pair[0].run_id != pair[1].run_id]
    assert moved
    for one, other in moved:
        found = contrasts(recipes[0].of(one), recipes[1].of(other))
        assert {each.place for each in found} == named


def test_a_contrast_holds_both_values(tree: dict[str, Any], plan_tree: PlanTree) -> None:
    tree["arms"] = {"a": {"axes": {"epochs": [1, 2]}, "fixed": {"model": "s"}}}
    plan = plan_tree(tree)
    recipes = Recipes(plan.runs)
    one, other = (run for run in plan.runs if run.stage is Stage.FINETUNE)
    [found] = contrasts(recipes.of(one), recipes.of(other))
    assert found == Contrast(place="stages.finetune.epochs", one=1, other=2)


def test_what_a_branch_takes_over_says_so(tree: dict[str, Any], plan_tree: PlanTree) -> None:
    plan = plan_tree(tree)
    recipes = Recipes(plan.runs)
    scratch, *branches = [run for run in plan.runs if run.stage is Stage.IMAGE_TEXT_PRETRAIN][:4]
    taken_over = ("text", "batch_tokens", "optimizer", "learning_rate.peak")
    for name in taken_over:
        assert all(recipes.of(run)[f"{BRANCH}.{name}"] == INHERITED for run in branches)
        assert recipes.of(scratch).get(f"{BRANCH}.{name}") != INHERITED
    assert recipes.of(scratch)[f"{BRANCH}.learning_rate.peak"] == 3e-3


def test_what_a_branch_has_for_itself_is_named(tree: dict[str, Any], plan_tree: PlanTree) -> None:
    tree["stages"]["image_text_pretrain"] |= {
        "text": "world/other",
        "batch_tokens": 128,
        "optimizer": {"beta2": 0.9},
    }
    plan = plan_tree(tree)
    branch = [run for run in plan.runs if run.stage is Stage.IMAGE_TEXT_PRETRAIN][1]
    recipe = Recipes(plan.runs).of(branch)
    assert recipe[f"{BRANCH}.text"] == "world/other"
    assert recipe[f"{BRANCH}.batch_tokens"] == 128
    assert recipe[f"{BRANCH}.optimizer.beta2"] == 0.9
    assert recipe[f"{TEXT}.text"] == "world/text"


def test_a_trunk_with_a_seed_of_its_own_is_told_from_what_stands_on_it(
    tree: dict[str, Any], plan_tree: PlanTree
) -> None:
    tree["stages"]["text_pretrain"]["seed"] = 7
    tree["arms"] = {"a": {"axes": {"seed": [7, 8]}, "fixed": {"model": "s"}}}
    plan = plan_tree(tree)
    recipes = Recipes(plan.runs)
    one, other = (recipes.of(run) for run in plan.runs if run.stage is Stage.FINETUNE)
    assert (one["seed"], one.get(f"{TEXT}.seed")) == (7, None)
    assert (other["seed"], other.get(f"{TEXT}.seed")) == (8, 7)
    assert f"{BRANCH}.text_seed" not in other  # it follows from the trunk's


def test_members_of_a_soup_that_differ_are_all_said(
    tree: dict[str, Any], plan_tree: PlanTree
) -> None:
    tree["stages"]["average"] = {"over": {"epochs": [1, 2]}}
    stages = ["text_pretrain", "image_text_pretrain", "finetune", "average", "evaluate"]
    tree["arms"] = {"soup": {"fixed": {"model": "s"}, "stages": stages}}
    plan = plan_tree(tree)
    [soup] = [run for run in plan.runs if run.stage is Stage.AVERAGE]
    recipe = Recipes(plan.runs).of(soup)
    assert recipe["stages.finetune.epochs"] == (1, 2)
    assert recipe["stages.finetune.examples"] == 100
    assert recipe[f"{TEXT}.text"] == "world/text"


def test_how_a_trunk_was_cut_is_no_part_of_a_recipe(
    tree: dict[str, Any], plan_tree: PlanTree
) -> None:
    tree["arms"]["timing"]["axes"] = {"model": ["s"], "cooldown_point": ["80%"]}
    before = plan_tree(tree)
    tree["arms"]["timing"]["axes"]["cooldown_point"] = ["40%", "80%"]
    after = plan_tree(tree)
    kept = {run.run_id: run for run in after.runs}
    for run in before.runs:
        assert Recipes(before.runs).of(run) == Recipes(after.runs).of(kept[run.run_id])
