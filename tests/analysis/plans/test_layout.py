"""Where nodes stand: trunks straight, nothing on top of anything, lines past the boxes."""

from itertools import pairwise

import pytest

from analysis.plans.layout import Layout, lay_out
from orchestrator.plan.graph.fold import FoldedPlan, Node, fold
from orchestrator.plan.plan import Axis, Plan
from orchestrator.spec.run import Stage


def node(
    node_id: str, stage: Stage, *needs: str, cooldown_point: float | None = None, model: str = "m"
) -> Node:
    axes = [Axis(name="model", value=model)]
    if cooldown_point is not None:
        axes.append(Axis(name="cooldown_point", value=cooldown_point))
    return Node(
        node_id=node_id,
        stage=stage,
        run_ids=(node_id,),
        needs=needs,
        axes=tuple(axes),
        label=node_id,
    )


def trunk(node_id: str, point: float, *needs: str) -> Node:
    return node(node_id, Stage.TEXT_PRETRAIN, *needs, cooldown_point=point)


@pytest.fixture(scope="module", params=[None, 100, 40])
def folded(demo: Plan, request: pytest.FixtureRequest) -> FoldedPlan:
    return fold(demo.study, demo.runs, request.param)


@pytest.fixture
def layout(folded: FoldedPlan) -> Layout:
    return lay_out(folded.nodes)


def test_every_node_has_a_place_of_its_own(folded: FoldedPlan, layout: Layout) -> None:
    places = {(layout.columns[n.node_id], layout.rows[n.node_id]) for n in folded.nodes}
    assert len(places) == len(folded.nodes)
    rows = sorted(set(layout.rows.values()))
    assert all(lower - upper >= 1 for upper, lower in pairwise(rows))
    assert layout.height == rows[-1] + 1


def test_what_waits_stands_to_the_right(folded: FoldedPlan, layout: Layout) -> None:
    for each in folded.nodes:
        for need in each.needs:
            assert layout.columns[need] < layout.columns[each.node_id]


def test_a_trunk_is_a_straight_line(folded: FoldedPlan, layout: Layout) -> None:
    stages = {each.node_id: each.stage for each in folded.nodes}
    steps = [
        edge
        for edge in layout.edges
        if {stages[edge.source], stages[edge.target]} == {Stage.TEXT_PRETRAIN}
    ]
    assert steps
    assert all(layout.rows[edge.source] == layout.rows[edge.target] for edge in steps)


def test_the_line_to_what_hangs_on_a_node_passes_no_other_node(
    folded: FoldedPlan, layout: Layout
) -> None:
    for edge in layout.edges:
        if edge.is_branch:
            row, end = layout.rows[edge.target], layout.columns[edge.target]
            begin = layout.columns[edge.source]
            between = [
                each.node_id
                for each in folded.nodes
                if layout.rows[each.node_id] == row and begin < layout.columns[each.node_id] < end
            ]
            assert between == []


def test_lines_down_from_one_node_do_not_cross_those_of_another(layout: Layout) -> None:
    """A line down right of a column meets only lines across that come from further left."""
    branches = [edge for edge in layout.edges if edge.is_branch]
    for down in branches:
        upper, lower = layout.rows[down.source], layout.rows[down.target]
        for across in branches:
            if across.source == down.source or not upper < layout.rows[across.target] < lower:
                continue
            turn = layout.columns[down.source]
            begin, end = layout.columns[across.source], layout.columns[across.target]
            assert not begin <= turn < end


def test_cooldown_points_of_all_trunks_stand_below_each_other() -> None:
    nodes = [trunk("a40", 0.4), trunk("a80", 0.8, "a40"), trunk("b80", 0.8), trunk("c40", 0.4)]
    columns = lay_out(nodes).columns
    assert columns == {"a40": 0, "a80": 1, "b80": 1, "c40": 0}


def test_a_branch_hangs_on_its_trunk_and_not_on_the_tower() -> None:
    nodes = [
        node("tower", Stage.TOWER_PRETRAIN),
        trunk("t", 1.0),
        node("b", Stage.IMAGE_TEXT_PRETRAIN, "tower", "t"),
    ]
    hanging = {edge.source: edge.is_branch for edge in lay_out(nodes).edges}
    assert hanging == {"tower": False, "t": True}


def test_siblings_stand_in_the_order_of_their_values() -> None:
    nodes = [trunk("t", 1.0)]
    nodes += [
        node(f"b{point}", Stage.FINETUNE, "t", cooldown_point=point) for point in (0.3, 0.0, 0.1)
    ]
    rows = lay_out(nodes).rows
    assert sorted(rows, key=lambda node_id: rows[node_id]) == ["t", "b0.0", "b0.1", "b0.3"]


def test_a_branch_that_waits_for_a_filter_stands_right_of_it() -> None:
    nodes = [
        trunk("t", 1.0),
        node("b", Stage.IMAGE_TEXT_PRETRAIN, "t"),
        node("f", Stage.FILTER, "b"),
        node("again", Stage.IMAGE_TEXT_PRETRAIN, "t", "f"),
    ]
    columns = lay_out(nodes).columns
    assert columns["t"] < columns["b"] < columns["f"] < columns["again"]


def test_a_trunk_of_thousands_of_segments_is_laid_out() -> None:
    size = 2_000
    nodes = [trunk("n0", 0.0)]
    nodes += [trunk(f"n{i}", i / size, f"n{i - 1}") for i in range(1, size)]
    layout = lay_out(nodes)
    assert set(layout.rows.values()) == {0.0}
    assert layout.columns[f"n{size - 1}"] == size - 1
