"""Changed settings: those that move a run are told from those that move none."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator.plan.compare.difference import difference
from orchestrator.plan.compare.effect import MOST_TRIED, effects, run_names
from orchestrator.plan.plan import Plan
from orchestrator.spec.study import Study
from orchestrator.store.study_file import load_study

PlanTree = Callable[[dict[str, Any]], Plan]
Tree = dict[str, Any]


@pytest.fixture
def load(tmp_path: Path) -> Callable[[Tree], Study]:
    def load(tree: Tree) -> Study:
        path = tmp_path / "study.yaml"
        path.write_text(yaml.safe_dump(tree, sort_keys=False))
        return load_study(path)

    return load


@pytest.fixture
def moved(
    load: Callable[[Tree], Study], plan_tree: PlanTree
) -> Callable[[Tree, Tree], dict[str, bool | None]]:
    """Return what each change between two studies does."""

    def moved(one: Tree, other: Tree) -> dict[str, bool | None]:
        found = difference(plan_tree(one), plan_tree(other))
        told = effects(
            load(one),
            load(other),
            moved={move.contrast.place for move in found.moves},
            is_same=not found.added and not found.dropped,
        )
        return {effect.declaration.place: effect.moves for effect in told}

    return moved


Moved = Callable[[Tree, Tree], dict[str, bool | None]]


def test_names_are_those_of_the_plan(
    tree: Tree, load: Callable[[Tree], Study], plan_tree: PlanTree
) -> None:
    assert run_names(load(tree)) == {run.run_id for run in plan_tree(tree).runs}


def test_a_setting_for_machines_moves_none(tree: Tree, moved: Moved) -> None:
    other = copy.deepcopy(tree)
    other["launch"] = {"layouts": {"s": {"gpus": 2}}}
    other["stages"]["finetune"]["tokens_per_example"] = 99
    other["stages"]["finetune"]["learning_rate"]["peak"] = 2e-3
    assert moved(tree, other) == {
        "launch.layouts.s": False,
        "stages.finetune.tokens_per_example": False,
        "stages.finetune.learning_rate.peak": True,
    }


def test_a_setting_that_no_run_uses_moves_none(tree: Tree, moved: Moved) -> None:
    other = copy.deepcopy(tree)
    other["stages"]["image_text_pretrain"]["learning_rate"]["rewarm_peak"] = 5e-3
    other["suites"]["unused"] = {**other["suites"]["text"], "limit": 3}
    other["arms"]["timing"]["axes"]["cooldown_point"] = [0, "40%"]
    assert moved(tree, other) == {
        "stages.image_text_pretrain.learning_rate.rewarm_peak": False,
        "suites.unused": False,
        "arms.timing.axes.cooldown_point": True,
    }


def test_only_changes_that_move_nothing_together_move_nothing(tree: Tree, moved: Moved) -> None:
    # Neither does anything by itself: no branch is re-warmed before, none has a peak for it.
    tree["stages"]["image_text_pretrain"]["learning_rate"]["rewarm_peak"] = 4e-3
    tree["models"]["s"]["stages"] = {"image_text_pretrain": {"learning_rate": {"final": 1e-6}}}
    other = copy.deepcopy(tree)
    other["stages"]["image_text_pretrain"]["learning_rate"]["rewarm_peak"] = 5e-3
    other["arms"]["timing"]["override"] = [
        {"when": {"cooldown_point": "100%"}, "set": {"learning_rate_rule": "rewarmed"}}
    ]
    assert moved(tree, other) == {
        "stages.image_text_pretrain.learning_rate.rewarm_peak": True,
        "arms.timing.override": True,
    }


def test_a_change_that_cannot_be_planned_alone_matters(tree: Tree, moved: Moved) -> None:
    other = copy.deepcopy(tree)
    rate = other["stages"]["text_pretrain"]["learning_rate"]
    rate |= {"curve": "infinite", "cooldown": 0.2, "plateau": 1e-3, "anneal": 0.2, "final": 1e-4}
    told = moved(tree, other)
    assert set(told.values()) == {True}
    assert len(told) == 5


def test_an_arm_of_known_points_moves_none(tree: Tree, moved: Moved) -> None:
    other = copy.deepcopy(tree)
    other["arms"]["again"] = {"axes": {"cooldown_point": ["40%"]}, "fixed": {"model": "s"}}
    other["arms"]["new"] = {"axes": {"cooldown_point": ["60%"]}, "fixed": {"model": "s"}}
    assert moved(tree, other) == {"arms.again": False, "arms.new": True}


def test_the_same_runs_by_other_words_are_moved_by_nothing(tree: Tree, moved: Moved) -> None:
    other = copy.deepcopy(tree)
    other["stages"]["finetune"]["epochs"] = 3
    other["arms"]["timing"]["fixed"] = {"epochs": 1}
    assert moved(tree, other) == {
        "stages.finetune.epochs": False,
        "arms.timing.fixed.epochs": False,
    }


@pytest.mark.parametrize(("arms", "told"), [(MOST_TRIED, True), (MOST_TRIED + 1, None)])
def test_of_too_many_changes_it_is_not_said(
    arms: int, told: bool | None, tree: Tree, moved: Moved
) -> None:
    other = copy.deepcopy(tree)
    other["launch"] = {"profile": "a100"}  # of this it is known in any case
    for number in range(arms):
        axes = {"cooldown_point": [f"{10 + number}%"]}
        other["arms"][f"a{number}"] = {"axes": axes, "fixed": {"model": "s"}}
    new = {f"arms.a{number}": told for number in range(arms)}
    assert moved(tree, other) == {"launch.profile": False, **new}
