"""The DAG of a plan: a box for each node of the folded plan, trunks as straight lines."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.patches import FancyBboxPatch

from analysis.plans.canvas import MARGIN, counted, head, head_height, head_width, sheet, text_width
from analysis.plans.layout import Edge, Layout, lay_out
from analysis.plans.picture import Picture
from orchestrator.errors import PlanError
from orchestrator.plan.graph.fold import FoldedPlan, Node, fold
from orchestrator.plan.graph.labels import usual_words
from orchestrator.plan.graph.stage_colours import STAGE_COLOURS, tint
from orchestrator.plan.plan import Plan
from orchestrator.spec.run import Stage

MOST_NODES = 260
"""Nodes from which on axes are folded: about four pages."""
MOST_DRAWN = 2_000
"""Nodes beyond which no picture can be read."""

LABEL_POINTS = 6.5
ROW = 0.19
"""Inches from one row to the next."""
BOX = 0.145
"""Inches that a box is high."""
PAD = 0.05
"""Inches between a box's side and its label."""
GAP = 0.34
"""Inches between two columns, for lines."""
BEND = 0.1
"""Inches from a box to where its lines turn."""
LINE = "#8C8C8C"

ROUND = 0.03
"""Inches of a box's round corners."""

Line = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Box:
    """Where a node's box stands, in inches from the sheet's upper left corner."""

    left: float
    """Its left side, and that of its column."""
    right: float
    """Its right side."""
    column_right: float
    """The right side of its column's widest box."""
    y: float
    """Its middle."""


def draw_graph(plan: Plan) -> Picture:
    """Draw what each run of a plan waits for, from left to right.

    Lines that follow from others are left out: an evaluation waits for its model, and so for
    everything that the model waits for.

    Raises:
        PlanError: if the plan has no run, or is too large to draw even when folded.
    """
    folded = fold(plan.study, plan.runs, MOST_NODES)
    _check_size(folded)
    layout = lay_out(folded.nodes)
    runs, nodes = counted(folded.runs, "run"), counted(len(folded.nodes), "node")
    title = f"{plan.study}: {runs} in {nodes}"
    note = _note(folded)
    colours = _legend(folded)
    boxes = _boxes(folded.nodes, layout, head_height(note))
    width = max(box.right for box in boxes.values()) + MARGIN
    height = head_height(note) + layout.height * ROW + MARGIN
    figure, axes = sheet(max(width, head_width(title, note, colours)), height)
    head(figure, title, note, colours)
    _draw_edges(axes, folded, layout, boxes)
    for node in folded.nodes:
        _draw_box(axes, node, boxes[node.node_id])
    return Picture(
        figure=figure,
        columns=("node_id", "stage", "label", "runs", "needs", "run_ids"),
        rows=tuple(_row(node) for node in folded.nodes),
    )


def _check_size(folded: FoldedPlan) -> None:
    if not folded.nodes:
        raise PlanError("the plan has no run to draw", folded.study, "draw a plan that has runs")
    if len(folded.nodes) > MOST_DRAWN:
        raise PlanError(
            f"the graph has {len(folded.nodes):,} nodes even when folded, more than the "
            f"{MOST_DRAWN:,} that a picture can show",
            where=folded.study,
            mend="narrow the plan to an arm or a model, or write the graph as DOT",
        )


def _note(folded: FoldedPlan) -> str:
    lines = ["each box waits for those it hangs on; one box is one run"]
    if folded.folded:
        names = ", ".join(name.rsplit(".", 1)[-1] for name in folded.folded)
        lines = [f"a box (xn) is n runs that wait for the same and differ only in: {names}"]
    return "\n".join([*lines, usual_words(folded.usual)]).rstrip()


def _legend(folded: FoldedPlan) -> dict[str, str]:
    runs = Counter[Stage]()
    for node in folded.nodes:
        runs[node.stage] += len(node.run_ids)
    return {
        f"{stage.value} ({runs[stage]:,})": STAGE_COLOURS[stage] for stage in Stage if runs[stage]
    }


def _boxes(nodes: Sequence[Node], layout: Layout, top: float) -> dict[str, _Box]:
    """Return the box of each node, in columns as wide as their widest box."""
    widths = {node.node_id: text_width(node.label, LABEL_POINTS) + 2 * PAD for node in nodes}
    widest: dict[int, float] = {}
    for node_id, column in layout.columns.items():
        widest[column] = max(widest.get(column, 0.0), widths[node_id])
    sides: dict[int, tuple[float, float]] = {}
    left = MARGIN
    for column, width in sorted(widest.items()):
        sides[column] = (left, left + width)
        left += width + GAP
    boxes: dict[str, _Box] = {}
    for node_id, width in widths.items():
        begin, end = sides[layout.columns[node_id]]
        y = top + (layout.rows[node_id] + 0.5) * ROW
        boxes[node_id] = _Box(left=begin, right=begin + width, column_right=end, y=y)
    return boxes


def _draw_box(axes: Axes, node: Node, box: _Box) -> None:
    colour = STAGE_COLOURS[node.stage]
    axes.add_patch(
        FancyBboxPatch(
            (box.left + ROUND, box.y - BOX / 2 + ROUND),
            box.right - box.left - 2 * ROUND,
            BOX - 2 * ROUND,
            boxstyle=f"round,pad={ROUND}",
            facecolor=tint(colour, 0.22),
            edgecolor=colour,
            linewidth=0.7,
        )
    )
    axes.text(
        box.left + PAD, box.y, node.label,
        fontsize=LABEL_POINTS, va="center_baseline", parse_math=False,
    )  # fmt: skip


def _draw_edges(axes: Axes, folded: FoldedPlan, layout: Layout, boxes: Mapping[str, _Box]) -> None:
    stages = {node.node_id: node.stage for node in folded.nodes}
    trunk: list[Line] = []
    branches: list[Line] = []
    others: dict[Stage, list[Line]] = {}
    for edge in layout.edges:
        line = _line(edge, boxes[edge.source], boxes[edge.target])
        if not edge.is_branch:
            others.setdefault(stages[edge.source], []).append(line)
        elif {stages[edge.source], stages[edge.target]} == {Stage.TEXT_PRETRAIN}:
            trunk.append(line)
        else:
            branches.append(line)
    for stage, lines in others.items():
        colour = tint(STAGE_COLOURS[stage], 0.55)
        axes.add_collection(LineCollection(lines, colors=colour, linewidths=0.6, zorder=0.5))
    axes.add_collection(LineCollection(branches, colors=LINE, linewidths=0.7, zorder=0.6))
    colour = STAGE_COLOURS[Stage.TEXT_PRETRAIN]
    axes.add_collection(LineCollection(trunk, colors=colour, linewidths=1.8, zorder=0.7))


def _line(edge: Edge, source: _Box, target: _Box) -> Line:
    """Turn right after the source for what hangs on it, otherwise right before the target."""
    if source.y == target.y:
        return ((source.right, source.y), (target.left, target.y))
    turn = source.column_right + BEND if edge.is_branch else target.left - BEND
    return (
        (source.right, source.y),
        (turn, source.y),
        (turn, target.y),
        (target.left, target.y),
    )


def _row(node: Node) -> tuple[str | int, ...]:
    return (
        node.node_id,
        node.stage.value,
        node.label,
        len(node.run_ids),
        "|".join(node.needs),
        "|".join(node.run_ids),
    )
