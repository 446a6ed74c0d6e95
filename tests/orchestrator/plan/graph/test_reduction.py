"""Needs that follow from others are left out, and no others."""

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.plan.graph.fold import Node
from orchestrator.plan.graph.reduction import direct_needs
from orchestrator.spec.run import Stage


def node(node_id: str, *needs: str) -> Node:
    return Node(
        node_id=node_id,
        stage=Stage.FINETUNE,
        run_ids=(node_id,),
        needs=needs,
        axes=(),
        label=node_id,
    )


def reachable(edges: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """All pairs with a way from the first to the second, by repeated joining."""
    pairs = set(edges)
    while True:
        longer = {(a, d) for a, b in pairs for c, d in pairs if b == c} - pairs
        if not longer:
            return pairs
        pairs |= longer


def test_a_tower_that_the_model_needs_is_no_need_of_its_evaluation() -> None:
    nodes = [node("tower"), node("branch", "tower"), node("asked", "branch", "tower")]
    assert direct_needs(nodes) == {"tower": (), "branch": ("tower",), "asked": ("branch",)}


@given(st.integers(1, 8).flatmap(lambda n: st.tuples(st.just(n), st.sets(st.integers(0, 27)))))
def test_what_is_left_reaches_as_far_and_nothing_in_it_is_spare(
    drawn: tuple[int, set[int]],
) -> None:
    size, chosen = drawn
    pairs = list(combinations(range(size), 2))
    edges = {(f"n{a}", f"n{b}") for i, (a, b) in enumerate(pairs) if i in chosen}
    nodes = [
        node(f"n{b}", *(f"n{a}" for a in range(b) if (f"n{a}", f"n{b}") in edges))
        for b in range(size)
    ]
    left = {(need, target) for target, needs in direct_needs(nodes).items() for need in needs}
    assert left <= edges
    assert reachable(left) == reachable(edges)
    assert all(reachable(left - {edge}) != reachable(edges) for edge in left)
