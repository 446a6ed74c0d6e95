"""What a changed study adds, drops and keeps: counted by run, with costs, and with its reasons."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from orchestrator.plan.compare.difference import difference, tally
from orchestrator.plan.plan import Plan
from orchestrator.spec.run import Stage

PlanTree = Callable[[dict[str, Any]], Plan]
Tree = dict[str, Any]


@pytest.fixture
def grown(tree: Tree) -> Tree:
    """Return a study that drops, adds and keeps runs of the small one."""
    tree = copy.deepcopy(tree)
    tree["arms"]["timing"]["axes"] = {"model": ["s"], "cooldown_point": [0, "40%", "60%", 1.0]}
    tree["arms"]["ratio"] = {"axes": {"image_ratio": [0.1, 0.5]}, "fixed": {"model": "s"}}
    return tree


def test_every_run_is_added_dropped_or_kept(tree: Tree, grown: Tree, plan_tree: PlanTree) -> None:
    one, other = plan_tree(tree), plan_tree(grown)
    before, after = ({run.run_id for run in plan.runs} for plan in (one, other))
    found = difference(one, other)
    assert {run.run_id for run in found.added} == after - before
    assert {run.run_id for run in found.dropped} == before - after
    assert {run.run_id for run in found.kept} == before & after
    assert all((found.added, found.dropped, found.kept))


def test_rows_add_up_to_the_plans(tree: Tree, grown: Tree, plan_tree: PlanTree) -> None:
    one, other = plan_tree(tree), plan_tree(grown)
    found = difference(one, other)
    for column in ("runs", "tokens", "device_hours"):
        for rows in (found.stages, (found.total,)):
            added, dropped, kept = (
                sum(getattr(getattr(row, side), column) for row in rows)
                for side in ("added", "dropped", "kept")
            )
            assert added + kept == pytest.approx(getattr(tally(other.runs), column))
            before = getattr(found.kept_before, column)
            assert dropped + before == pytest.approx(getattr(tally(one.runs), column))
    assert [row.name for row in found.stages] == [
        stage.value for stage in Stage if any(run.stage is stage for run in other.runs)
    ]


def test_each_arm_counts_the_runs_that_serve_it(
    tree: Tree, grown: Tree, plan_tree: PlanTree
) -> None:
    one, other = plan_tree(tree), plan_tree(grown)
    names = [{run.run_id for run in plan.runs} for plan in (one, other)]
    rows = {row.name: row for row in difference(one, other).arms}
    assert list(rows) == ["timing", "ratio"]
    for name, row in rows.items():
        served = [{run.run_id for run in plan.runs if name in run.arms} for plan in (one, other)]
        assert row.added.runs == len(served[1] - names[0])
        assert row.dropped.runs == len(served[0] - names[1])
        assert row.kept.runs == len((served[0] | served[1]) & names[0] & names[1])


def test_an_arm_that_is_gone_is_listed_last_with_what_is_left_of_it(
    tree: Tree, grown: Tree, plan_tree: PlanTree
) -> None:
    rows = difference(plan_tree(grown), plan_tree(tree)).arms
    assert [row.name for row in rows] == ["timing", "ratio"]
    assert rows[1].added.runs == 0
    assert rows[1].dropped.runs > 0
    assert rows[1].kept.runs > 0


def test_a_renamed_arm_keeps_its_runs(tree: Tree, plan_tree: PlanTree) -> None:
    before = plan_tree(tree)
    tree["arms"] = {"another": tree["arms"]["timing"]}
    found = difference(before, plan_tree(tree))
    assert not found.added
    assert not found.dropped
    assert [(row.name, row.kept.runs) for row in found.arms] == [
        ("another", len(before.runs)),
        ("timing", len(before.runs)),
    ]


def test_one_changed_setting_is_one_move_with_all_its_runs(tree: Tree, plan_tree: PlanTree) -> None:
    before = plan_tree(tree)
    tree["stages"]["text_pretrain"]["learning_rate"]["peak"] = 1e-3
    after = plan_tree(tree)
    found = difference(before, after)
    moves = {move.contrast.place: move for move in found.moves}
    move = moves["stages.text_pretrain.learning_rate.peak"]
    assert (move.contrast.one, move.contrast.other) == (3e-3, 1e-3)
    assert {pair.one.run_id for pair in found.pairs} == {run.run_id for run in found.dropped}
    # Branches from scratch have the trunk's warm-up for their own, so theirs is another line.
    assert set(moves) == {move.contrast.place, "stages.image_text_pretrain.learning_rate.peak"}
    assert sum(len(move.runs) for move in found.moves) == len(found.added)


def test_the_setting_that_moves_most_runs_comes_first(tree: Tree, plan_tree: PlanTree) -> None:
    before = plan_tree(tree)
    tree["suites"]["text"]["limit"] = 7
    tree["stages"]["finetune"]["learning_rate"]["peak"] = 2e-3
    moves = difference(before, plan_tree(tree)).moves
    assert [move.contrast.place for move in moves] == [
        "stages.finetune.learning_rate.peak",
        "suite.limit",
    ]
    assert [len(move.runs) for move in moves] == [24, 8]  # 8 models, 16 evaluations; 8 of text


def test_a_cut_in_a_trunk_moves_costs_of_what_is_kept(tree: Tree, plan_tree: PlanTree) -> None:
    before = plan_tree(tree)
    tree["arms"]["timing"]["axes"]["cooldown_point"] = [0, "40%", "60%", "80%", 1.0]
    found = difference(before, plan_tree(tree))
    assert not found.dropped
    # Of each of two trunks, the piece from 40 % to 60 % is now a run of its own.
    assert found.kept_before.tokens - found.total.kept.tokens == 2 * 1_280


def test_a_plan_does_not_differ_from_itself(tree: Tree, plan_tree: PlanTree) -> None:
    plan = plan_tree(tree)
    found = difference(plan, plan_tree(tree))
    assert found.kept == plan.runs
    assert found.total.kept == found.kept_before == tally(plan.runs)
    assert (found.added, found.dropped, found.pairs, found.moves) == ((), (), (), ())
