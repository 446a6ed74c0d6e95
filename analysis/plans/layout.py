"""Where each node of a plan's graph stands: columns from left to right, rows from top to bottom.

A trunk is one straight line of columns, one for each cooldown point. What hangs on a node goes on
in its row, or in rows of its own below, so that lines do not cross within a tree.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

from orchestrator.plan.graph.fold import Node
from orchestrator.plan.graph.reduction import direct_needs
from orchestrator.plan.plan import AxisValue
from orchestrator.spec.run import Stage

TREE_GAP = 0.5
"""Rows left free between one tree and the next, if either has more than one row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """A line from a node to one that waits for it."""

    source: str
    """`node_id` of what comes first."""
    target: str
    """`node_id` of what waits."""
    is_branch: bool
    """Whether the target hangs on the source; otherwise it hangs on another node it waits for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Places of nodes, and the lines between them."""

    columns: dict[str, int]
    """By `node_id`, from 0 on the left."""
    rows: dict[str, float]
    """By `node_id`, from 0 at the top; not whole numbers, since trees have gaps between them."""
    edges: tuple[Edge, ...]
    """Without those that follow from others."""

    @property
    def height(self) -> float:
        """Rows in all."""
        return max(self.rows.values(), default=0.0) + 1


def lay_out(nodes: Sequence[Node]) -> Layout:
    """Place nodes.

    Args:
        nodes: each after what it needs.
    """
    stages = {node.node_id: node.stage for node in nodes}
    direct = direct_needs(nodes)
    hangs_on = {node_id: _hangs_on(needs, stages) for node_id, needs in direct.items()}
    return Layout(
        columns=_columns(nodes),
        rows=_rows(hangs_on, nodes),
        edges=tuple(
            Edge(source=need, target=node_id, is_branch=need == hangs_on[node_id])
            for node_id, needs in direct.items()
            for need in needs
        ),
    )


def _hangs_on(needs: Sequence[str], stages: dict[str, Stage]) -> str | None:
    """Return what a node hangs on: the first it needs that is no tower, which serves all alike."""
    models = [need for need in needs if stages[need] is not Stage.TOWER_PRETRAIN]
    return next(iter([*models, *needs]), None)


def _columns(nodes: Sequence[Node]) -> dict[str, int]:
    """Give trunks a column for each cooldown point, later stages one each, and never go back."""
    trunk = [node for node in nodes if node.stage is Stage.TEXT_PRETRAIN]
    points = sorted({_cooldown_point(node) for node in trunk})
    ranks = {point: rank for rank, point in enumerate(points)}
    columns: dict[str, int] = {}
    for node in trunk:
        columns[node.node_id] = max(ranks[_cooldown_point(node)], _after(node, columns))
    last = max(columns.values(), default=0)
    present = {node.stage for node in nodes}
    later = [stage for stage in list(Stage)[2:] if stage in present]
    least = {stage: last + 1 + index for index, stage in enumerate(later)}
    for node in nodes:
        if node.stage is not Stage.TEXT_PRETRAIN:
            columns[node.node_id] = max(least.get(node.stage, last), _after(node, columns))
    return columns


def _cooldown_point(node: Node) -> float:
    value = next((axis.value for axis in node.axes if axis.name == "cooldown_point"), 0.0)
    return float(value)


def _after(node: Node, columns: dict[str, int]) -> int:
    return max((columns[need] + 1 for need in node.needs), default=0)


def _rows(hangs_on: dict[str, str | None], nodes: Sequence[Node]) -> dict[str, float]:
    """Give each node a row: its parent's to the first child, the next free one to the others."""
    children: dict[str | None, list[str]] = {}
    for node_id, parent in hangs_on.items():
        children.setdefault(parent, []).append(node_id)
    order = _sibling_order(nodes)
    stages = {node.node_id: node.stage for node in nodes}
    for parent, below in children.items():
        if parent is not None:
            goes_on = stages[parent]
            below.sort(key=lambda child: (stages[child] is not goes_on, *order[child]))
    rows: dict[str, float] = {}
    top, previous = 0.0, 1
    for root in children.get(None, []):
        tree = _tree_rows(root, children)
        size = max(tree.values()) + 1
        if top and max(size, previous) > 1:
            top += TREE_GAP
        rows.update((node_id, top + row) for node_id, row in tree.items())
        top, previous = top + size, size
    return rows


def _sibling_order(nodes: Sequence[Node]) -> dict[str, tuple[int, ...]]:
    """Return sort keys: by stage, then by each axis, numbers by size and words as they come."""
    values: dict[str, dict[AxisValue, None]] = {}
    for node in nodes:
        for axis in node.axes:
            values.setdefault(axis.name, {})[axis.value] = None
    ranks: dict[str, dict[AxisValue, int]] = {}
    for name, those in values.items():
        numbers = sorted(value for value in those if not isinstance(value, str))
        words = (value for value in those if isinstance(value, str))
        ranks[name] = {value: rank for rank, value in enumerate((*numbers, *words))}
    return {
        node.node_id: (
            list(Stage).index(node.stage),
            *(ranks[axis.name][axis.value] for axis in node.axes),
        )
        for node in nodes
    }


def _tree_rows(root: str, children: dict[str | None, list[str]]) -> dict[str, int]:
    """Walk a tree from the top, a node's first child in its own row."""
    rows: dict[str, int] = {}
    free = count()
    waiting: list[tuple[str, int | None]] = [(root, None)]
    while waiting:
        node_id, row = waiting.pop()
        rows[node_id] = next(free) if row is None else row
        below = children.get(node_id, [])
        waiting += [(child, None) for child in reversed(below[1:])]
        waiting += [(child, rows[node_id]) for child in below[:1]]
    return rows
