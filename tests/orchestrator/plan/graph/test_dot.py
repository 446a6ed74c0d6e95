"""The DOT text holds every node and every need, whatever is in the names."""

import re
from pathlib import Path

from orchestrator.plan.graph.dot import dot_text
from orchestrator.plan.graph.fold import FoldedPlan, Node, fold
from orchestrator.plan.graph.stage_colours import STAGE_COLOURS
from orchestrator.spec.run import Stage
from orchestrator.store.study_plan import load_plan

DEMO = Path(__file__).parents[4] / "sweeps" / "demo.yaml"
STRING = r'"((?:[^"\\]|\\.)*)"'
"""A string as Graphviz's scanner reads it: a backslash takes the next character with it."""


def read(text: str) -> tuple[dict[str, dict[str, str]], dict[tuple[str, str], str]]:
    """Read nodes with their attributes, and edges with what is said of them."""
    nodes: dict[str, dict[str, str]] = {}
    edges: dict[tuple[str, str], str] = {}
    for line in text.splitlines():
        if match := re.fullmatch(rf"  {STRING} \[(.*)\];", line):
            pairs = re.findall(rf"(\w+)={STRING}(?:, |$)", match[2])
            nodes[match[1]] = dict(pairs)
        elif match := re.fullmatch(rf"  {STRING} -> {STRING}(.*);", line):
            edges[match[1], match[2]] = match[3]
    return nodes, edges


def node(node_id: str, *needs: str, label: str = "any") -> Node:
    return Node(
        node_id=node_id,
        stage=Stage.FINETUNE,
        run_ids=(node_id,),
        needs=needs,
        axes=(),
        label=label,
    )


def test_every_node_and_every_need_of_the_demo_is_there() -> None:
    plan = load_plan(DEMO, results=Path("nowhere"))
    folded = fold(plan.study, plan.runs)
    nodes, edges = read(dot_text(folded))
    assert set(nodes) == {each.node_id for each in folded.nodes}
    assert set(edges) == {(need, each.node_id) for each in folded.nodes for need in each.needs}
    held = [run_id for each in nodes.values() for run_id in each["run_ids"].split()]
    assert sorted(held) == sorted(run.run_id for run in plan.runs)
    assert sum(int(each["runs"]) for each in nodes.values()) == len(plan.runs)


def test_names_with_quotes_backslashes_and_newlines_stay_one_string() -> None:
    odd = 'a "quoted" \\ path\\" and\na line'
    folded = FoldedPlan(
        study=odd, nodes=(node("x", label=odd), node("y", "x")), folded=(), usual=()
    )
    text = dot_text(folded)
    nodes, edges = read(text)
    assert set(nodes) == {"x", "y"}
    assert set(edges) == {("x", "y")}
    label = re.sub(r"\\(.)", lambda m: "\n" if m[1] == "n" else m[1], nodes["x"]["label"])
    assert label == odd
    assert re.fullmatch(rf"digraph {STRING} {{", text.splitlines()[0])


def test_a_need_that_follows_from_others_does_not_bend_the_layout() -> None:
    nodes = (node("tower"), node("branch", "tower"), node("asked", "branch", "tower"))
    _, edges = read(dot_text(FoldedPlan(study="s", nodes=nodes, folded=(), usual=())))
    assert edges["branch", "asked"] == ""
    assert edges["tower", "branch"] == ""
    assert "constraint=false" in edges["tower", "asked"]


def test_every_stage_has_a_colour_of_its_own() -> None:
    assert set(STAGE_COLOURS) == set(Stage)
    assert len(set(STAGE_COLOURS.values())) == len(Stage)
