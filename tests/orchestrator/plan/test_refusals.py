"""Valid values that make no sensible study are refused before anything runs."""

from collections.abc import Callable
from typing import Any

import pytest

from orchestrator.errors import SweepError
from orchestrator.plan.plan import Plan

PlanTree = Callable[[dict[str, Any]], Plan]


def refused(tree: dict[str, Any], plan_tree: PlanTree) -> SweepError:
    with pytest.raises(SweepError) as caught:
        plan_tree(tree)
    assert caught.value.mend
    return caught.value


def test_ten_million_points_are_refused_with_the_axis_that_explodes(
    tree: dict[str, Any], plan_tree: PlanTree
) -> None:
    tree["arms"]["timing"]["axes"] = {
        "model": ["s", "m"],
        "seed": list(range(5_000)),
        "image_ratio": [i / 1_000 for i in range(1_000)],
    }
    error = refused(tree, plan_tree)
    assert "10,000,000 points" in error.what
    assert error.where.endswith("arms.timing.axes.seed")


@pytest.mark.parametrize(
    ("axis", "values", "named"),
    [
        ("seed", [0, 1, 0], "seed 0"),
        ("image_ratio", [0.1, "10%"], "image_ratio 0.1"),
        ("epochs", [], "no value"),
    ],
)
def test_an_axis_with_a_value_twice_or_none_is_refused(
    axis: str, values: list[Any], named: str, tree: dict[str, Any], plan_tree: PlanTree
) -> None:
    tree["arms"]["timing"]["axes"] = {"model": ["s"], axis: values}
    error = refused(tree, plan_tree)
    assert named in error.what
    assert f"axes.{axis}" in error.where


def test_zipped_axes_may_repeat_a_value_but_not_a_pair(
    tree: dict[str, Any], plan_tree: PlanTree
) -> None:
    arm = tree["arms"]["timing"]
    arm["axes"] = {"model": ["s", "s"], "epochs": [1, 2]}
    arm["zip"] = [["model", "epochs"]]
    assert plan_tree(tree).runs
    arm["axes"] = {"model": ["s", "s"], "epochs": [1, 1]}
    assert "stands twice" in refused(tree, plan_tree).what


def test_overrides_that_contradict_each_other_are_refused(
    tree: dict[str, Any], plan_tree: PlanTree
) -> None:
    tree["arms"]["timing"]["override"] = [
        {"when": {"cooldown_point": "80%"}, "set": {"epochs": 2}},
        {"when": {"model": "m"}, "set": {"epochs": 3}},
    ]
    error = refused(tree, plan_tree)
    assert "two overrides" in error.what
    assert "override" in error.where
    tree["arms"]["timing"]["override"][1]["set"] = {"epochs": 2}  # now they agree
    assert plan_tree(tree).runs


def test_an_arms_override_wins_over_the_studys(tree: dict[str, Any], plan_tree: PlanTree) -> None:
    tree["override"] = [{"when": {"model": "m"}, "set": {"epochs": 3}}]
    tree["arms"]["timing"]["override"] = [{"when": {"model": "m"}, "set": {"epochs": 2}}]
    epochs = {
        (axes["model"], axes["epochs"])
        for run in plan_tree(tree).runs
        if "epochs" in (axes := {axis.name: axis.value for axis in run.axes})
    }
    assert epochs == {("s", 1), ("m", 2)}


@pytest.mark.parametrize(
    ("ratio", "tokens", "refuses"),
    [(0.005, 1_280, True), (0.02, 1_280, False), (0.995, 1_280, True), (1.0, 1_280, False)],
)
def test_a_share_of_less_than_one_sequence_is_refused(
    ratio: float, tokens: int, refuses: bool, tree: dict[str, Any], plan_tree: PlanTree
) -> None:
    tree["arms"]["timing"] = {
        "fixed": {"model": "s", "image_ratio": ratio, "image_text_tokens": tokens}
    }
    if not refuses:
        assert plan_tree(tree).runs
        return
    error = refused(tree, plan_tree)
    assert "less than one" in error.what
    assert "image_ratio" in error.where


def test_a_branch_longer_than_what_its_trunk_leaves_of_the_text_is_refused(
    tree: dict[str, Any], plan_tree: PlanTree
) -> None:
    tree["data"]["corpus"] = {"version": "1", "tokens": 6_900}
    tree["stages"]["text_pretrain"]["text"] = "corpus/text"
    tree["arms"]["timing"]["axes"]["cooldown_point"] = [0, "80%"]
    assert plan_tree(tree).runs  # 5,120 tokens, and half of 1,280
    tree["arms"]["timing"]["axes"]["cooldown_point"] = [0, "100%"]
    error = refused(tree, plan_tree)
    assert "7,040 tokens of corpus/text are read, but there are 6,900" in error.what
    assert error.where.endswith("stages.image_text_pretrain.tokens")
    tree["data"]["corpus"]["may_repeat"] = True
    assert plan_tree(tree).runs


def test_a_trunk_longer_than_its_text_is_refused(tree: dict[str, Any], plan_tree: PlanTree) -> None:
    tree["data"]["corpus"] = {"version": "1", "tokens": "6k"}
    tree["stages"]["text_pretrain"]["text"] = "corpus/text"
    assert "stages.text_pretrain.tokens" in refused(tree, plan_tree).where


def test_an_arm_stands_on_another_one(tree: dict[str, Any], plan_tree: PlanTree) -> None:
    tree["arms"]["timing"]["fixed"] = {"epochs": 2}
    tree["arms"]["later"] = {
        "parent": "timing",
        "axes": {"cooldown_point": ["60%"]},
        "fixed": {"image_ratio": 0.1},
    }
    plan = plan_tree(tree)
    cells = [
        {axis.name: axis.value for axis in run.axes}
        for run in plan.runs
        for cell in run.cells
        if cell.arm == "later"
    ]
    assert [(c["model"], c["cooldown_point"], c["epochs"], c["image_ratio"]) for c in cells] == [
        ("s", 0.6, 2, 0.1),
        ("m", 0.6, 2, 0.1),
    ]
    assert {arm.name: arm.feeds for arm in plan.arms} == {"timing": ("figure_4",), "later": ()}


def test_overrides_of_the_arm_below_come_first_and_both_hold(
    tree: dict[str, Any], plan_tree: PlanTree
) -> None:
    arm = tree["arms"]["timing"]
    arm["override"] = [{"when": {"model": "m"}, "set": {"epochs": 2}}]
    own = [{"when": {"model": "s"}, "set": {"epochs": 3}}]
    tree["arms"] = {"timing": arm, "later": {"parent": "timing", "override": own}}
    epochs = {
        (axes["model"], axes["epochs"])
        for run in plan_tree(tree).runs
        if "later" in run.arms and "epochs" in (axes := {a.name: a.value for a in run.axes})
    }
    assert epochs == {("m", 2), ("s", 3)}


@pytest.mark.parametrize(
    ("parents", "named"),
    [
        ({"timing": "timing"}, "timing -> timing"),
        ({"timing": "b", "b": "c", "c": "timing"}, "timing -> b -> c -> timing"),
        ({"timing": "nobody"}, "'nobody'"),
    ],
)
def test_arms_in_a_circle_or_on_nothing_are_refused(
    parents: dict[str, str], named: str, tree: dict[str, Any], plan_tree: PlanTree
) -> None:
    for name, parent in parents.items():
        tree["arms"].setdefault(name, {"fixed": {"model": "s"}})["parent"] = parent
    error = refused(tree, plan_tree)
    assert named in error.what
    assert error.where.endswith(".parent")


@pytest.mark.parametrize(
    ("launch", "where"),
    [
        ({"layouts": {"xl": {"gpus": 8}}}, "launch.layouts.xl"),
        ({"layouts": {"s": {"gpus": 0}}}, "launch.layouts.s.gpus"),
        ({"layout": {}}, "launch.layout"),
    ],
)
def test_what_launch_cannot_mean_is_refused(
    launch: dict[str, Any], where: str, tree: dict[str, Any], plan_tree: PlanTree
) -> None:
    tree["launch"] = launch
    assert refused(tree, plan_tree).where.endswith(where)
