"""Which needs of a node follow from its other needs, so that a picture can leave them out. Pure."""

from collections.abc import Sequence

from orchestrator.plan.graph.fold import Node


def direct_needs(nodes: Sequence[Node]) -> dict[str, tuple[str, ...]]:
    """Return the needs of each node that none of its other needs already waits for.

    This is the transitive reduction of the graph, which for a DAG is unique.

    Args:
        nodes: each after what it needs.
    """
    behind: dict[str, frozenset[str]] = {}
    direct: dict[str, tuple[str, ...]] = {}
    for node in nodes:
        reached = frozenset[str]().union(*(behind[need] for need in node.needs))
        direct[node.node_id] = tuple(need for need in node.needs if need not in reached)
        behind[node.node_id] = reached | frozenset(node.needs)
    return direct
