"""A study that grows keeps every run it had, so that nothing is trained again."""

import copy
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.plan.plan import Plan
from orchestrator.spec.run import TextPretrain

PlanTree = Callable[[dict[str, Any]], Plan]
Tree = dict[str, Any]

CASES = 100
AXES: dict[str, list[Any]] = {
    "cooldown_point": [0, 0.2, 0.4, 0.5, 0.6, 0.8, 1.0],
    "image_ratio": [0, "10%", 0.5, 1.0],
    "epochs": [0, 1, 2, 3],
    "seed": [0, 1, 7],
    "text_tokens": [6_400, 12_800, 16_000],
    "learning_rate_rule": ["inherited", "rewarmed", "equal_peak"],
}
CURVES = ("cosine", "linear", "constant", "wsd", "infinite")


@st.composite
def grids(draw: st.DrawFn) -> tuple[dict[str, list[Any]], dict[str, list[Any]]]:
    """Return the axes of an arm, and longer lists of the same axes, in another order.

    New cooldown points lie before the last one.
    """
    names = draw(st.lists(st.sampled_from(list(AXES)), min_size=1, max_size=3, unique=True))
    before: dict[str, list[Any]] = {}
    after: dict[str, list[Any]] = {}
    for name in names:
        values = st.sampled_from(AXES[name])
        before[name] = draw(st.lists(values, min_size=1, max_size=2, unique=True))
        more = draw(st.lists(values, unique=True))
        new = [value for value in more if value not in before[name]]
        after[name] = draw(st.permutations([*before[name], *new]))
    return before, after


def study(tree: Tree, curve: str, axes: dict[str, list[Any]]) -> Tree:
    """Return the small study with one arm, as it is before it grows."""
    tree = copy.deepcopy(tree)
    rate = {"curve": curve, "cooldown": 0.2, "plateau": 1e-3, "anneal": 0.2, "final": 1e-4}
    tree["stages"]["text_pretrain"]["learning_rate"] = {"peak": 3e-3, "warmup_steps": 5, **rate}
    tree["stages"]["image_text_pretrain"]["tokens"] = 3_200
    tree["arms"] = {"one": {"axes": axes, "fixed": {"model": "s"}}}
    return tree


def grown(tree: Tree, axes: dict[str, list[Any]], additions: set[str]) -> Tree:
    tree = copy.deepcopy(tree)
    tree["arms"]["one"]["axes"] = axes
    if "arm" in additions:
        other = {"axes": {"image_ratio": [0.5, 0.7], "cooldown_point": ["40%"]}}
        trunk: Tree = {"stages": ["text_pretrain", "evaluate"]}
        new = {name: {**arm, "fixed": {"model": "s"}} for name, arm in (("a", other), ("b", trunk))}
        tree["arms"] = {**new, **tree["arms"]}
    if "suite" in additions:
        tree["suites"]["blind"] = {**tree["suites"]["vision"], "images": "blind"}
        tree["stages"]["evaluate"]["suites"].insert(0, "blind")
    if "model" in additions:
        tree["arms"]["large"] = {"axes": {"model": ["m"]}}
    return tree


@settings(
    max_examples=CASES, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(
    grid=grids(),
    curve=st.sampled_from(CURVES),
    additions=st.sets(st.sampled_from(["arm", "suite", "model"])),
)
def test_a_study_that_grows_keeps_every_run(
    grid: tuple[dict[str, list[Any]], dict[str, list[Any]]],
    curve: str,
    additions: set[str],
    tree: Tree,
    plan_tree: PlanTree,
) -> None:
    small = study(tree, curve, grid[0])
    before = plan_tree(small)
    after = plan_tree(grown(small, grid[1], additions))
    kept = {run.run_id: run for run in after.runs}
    assert {run.run_id for run in before.runs} <= set(kept)
    for run in before.runs:
        assert set(run.arms) <= set(kept[run.run_id].arms)
        assert kept[run.run_id].function == run.function
        if isinstance(run.config, TextPretrain):  # a new cut before it leaves less to train
            assert kept[run.run_id].cost.tokens <= run.cost.tokens
