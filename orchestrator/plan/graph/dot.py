"""The DAG of a plan as text in the DOT language of Graphviz. Pure: the same plan, the same text.

Nodes are named by `run_id`, so that names stay when a study grows.
"""

from orchestrator.plan.graph.fold import FoldedPlan, Node
from orchestrator.plan.graph.labels import usual_words
from orchestrator.plan.graph.reduction import direct_needs
from orchestrator.plan.graph.stage_colours import STAGE_COLOURS, tint

_HEAD = (
    "  rankdir=LR; ranksep=0.5; nodesep=0.08; labelloc=t; labeljust=l;",
    '  node [shape=box, style="rounded,filled", fontname="Helvetica", fontsize=10, height=0.25];',
    '  edge [color="#8C8C8C", arrowsize=0.6];',
)


def dot_text(folded: FoldedPlan) -> str:
    """Return a plan's graph as DOT: a node for each node of the folded plan, an edge for each need.

    A need that follows from the node's other needs is a dashed line that does not bend the layout.
    Beside the label, each node carries `stage`, `runs` (how many) and `run_ids`.
    """
    direct = direct_needs(folded.nodes)
    title = f"{folded.study}: {folded.runs:,} runs in {len(folded.nodes):,} nodes"
    words = "\n".join(line for line in (title, usual_words(folded.usual)) if line)
    lines = [f"digraph {_quoted(folded.study)} {{", f"  label={_quoted(words)};", *_HEAD]
    lines += [_node_line(node) for node in folded.nodes]
    lines += [
        _edge_line(need, node.node_id, is_direct=need in direct[node.node_id])
        for node in folded.nodes
        for need in node.needs
    ]
    return "\n".join([*lines, "}"]) + "\n"


def _node_line(node: Node) -> str:
    colour = STAGE_COLOURS[node.stage]
    attributes = {
        "label": node.label,
        "color": colour,
        "fillcolor": tint(colour, 0.25),
        "tooltip": f"{node.stage.value}: {node.label}",
        "stage": node.stage.value,
        "runs": str(len(node.run_ids)),
        "run_ids": " ".join(node.run_ids),
    }
    words = ", ".join(f"{name}={_quoted(value)}" for name, value in attributes.items())
    return f"  {_quoted(node.node_id)} [{words}];"


def _edge_line(source: str, target: str, *, is_direct: bool) -> str:
    style = "" if is_direct else ' [style=dashed, color="#D5D5D5", constraint=false]'
    return f"  {_quoted(source)} -> {_quoted(target)}{style};"


def _quoted(text: str) -> str:
    """Quote a string: inside quotes DOT gives a meaning to the quote, backslashes and newlines."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
