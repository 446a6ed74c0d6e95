"""Folding keeps every run once and every need, and joins only what differs in folded axes."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.plan.graph.fold import FoldedPlan, Node, fold
from orchestrator.plan.plan import Axis, AxisValue, Plan, PlannedRun
from orchestrator.spec.run import Stage
from orchestrator.store.study_plan import load_plan

SWEEPS = Path(__file__).parents[4] / "sweeps"
ANY = load_plan(SWEEPS / "smoke.yaml", results=Path("nowhere")).runs[0]
EVALUATE, FINETUNE, TEXT = Stage.EVALUATE, Stage.FINETUNE, Stage.TEXT_PRETRAIN


@pytest.fixture(scope="module")
def demo() -> Plan:
    return load_plan(SWEEPS / "demo.yaml", results=Path("nowhere"))


def run(run_id: str, stage: Stage, needs: Sequence[str] = (), **axes: AxisValue) -> PlannedRun:
    named = tuple(Axis(name=name, value=value) for name, value in axes.items())
    return replace(ANY, run_id=run_id, stage=stage, needs=tuple(needs), axes=named)


def by_id(folded: FoldedPlan) -> dict[str, Node]:
    return {node.node_id: node for node in folded.nodes}


def seeds_and_epochs() -> list[PlannedRun]:
    """Two seeds of a trunk, each with two fine-tunings that are asked two suites."""
    runs = [run(f"t{seed}", TEXT, seed=seed, cooldown_point=1.0) for seed in (0, 1)]
    runs += [
        run(f"f{seed}{epochs}", FINETUNE, [f"t{seed}"], seed=seed, epochs=epochs)
        for seed in (0, 1)
        for epochs in (1, 2)
    ]
    runs += [
        run(f"e{model.run_id}{suite}", EVALUATE, [model.run_id], suite=suite, **values(model))
        for model in runs
        if model.stage is FINETUNE
        for suite in ("text", "vision")
    ]
    return runs


def values(run: PlannedRun) -> dict[str, AxisValue]:
    return {axis.name: axis.value for axis in run.axes}


def test_evaluations_of_one_model_are_one_node() -> None:
    nodes = by_id(fold("s", seeds_and_epochs()))
    assert nodes["ef01text"].run_ids == ("ef01text", "ef01vision")
    assert nodes["ef01text"].label == "evaluate x2"
    assert len(nodes) == 2 + 4 + 4


def test_the_seed_is_folded_first_and_no_more_than_is_needed() -> None:
    folded = fold("s", seeds_and_epochs(), most_nodes=9)
    assert folded.folded == ("suite", "seed")
    nodes = by_id(folded)
    assert nodes["t0"].run_ids == ("t0", "t1")
    assert nodes["f01"].run_ids == ("f01", "f11")
    assert nodes["f01"].needs == ("t0",)
    assert nodes["ef01text"].label == "evaluate x4"
    assert len(nodes) == 1 + 2 + 2


def test_axes_of_later_stages_are_folded_before_those_of_earlier_ones() -> None:
    runs = [run(f"t{tokens}", TEXT, text_tokens=tokens) for tokens in (1, 2)]
    runs += [
        run(f"f{tokens}{epochs}", FINETUNE, [f"t{tokens}"], text_tokens=tokens, epochs=epochs)
        for tokens in (1, 2)
        for epochs in (1, 2)
    ]
    assert fold("s", runs, most_nodes=4).folded == ("epochs",)
    assert fold("s", runs, most_nodes=2).folded == ("epochs", "text_tokens")


def test_a_trunk_keeps_its_cooldown_points_however_few_nodes_are_asked_for() -> None:
    runs = [run("a", TEXT, cooldown_point=0.4), run("b", TEXT, ["a"], cooldown_point=1.0)]
    runs += [run("c", TEXT, cooldown_point=1.0)]
    assert [node.run_ids for node in fold("s", runs, most_nodes=1).nodes] == [
        ("a",),
        ("b",),
        ("c",),
    ]


def test_runs_that_no_axis_tells_apart_stay_apart() -> None:
    runs = [run("t", TEXT), run("f", FINETUNE, ["t"]), run("g", FINETUNE, ["t"])]
    runs += [run(f"e{of}", EVALUATE, [of], suite="text") for of in ("f", "g")]
    folded = fold("s", runs, most_nodes=1)
    assert [node.run_ids for node in folded.nodes] == [(each.run_id,) for each in runs]
    assert folded.folded == ()


def test_what_ends_up_without_its_parent_has_no_need() -> None:
    [node] = fold("s", [run("f", FINETUNE, ["not there"])]).nodes
    assert node.needs == ()


def test_a_label_says_what_sets_a_node_apart_from_what_it_needs() -> None:
    runs = seeds_and_epochs()
    folded = by_id(fold("s", runs))
    assert folded["t0"].label == "seed 0"  # its cooldown point is that of all
    assert folded["f02"].label == "epochs 2"
    few = by_id(fold("s", runs, most_nodes=3))
    assert few["f01"].label == "epochs 1, 2 x4"
    assert few["t0"].label == "seed 0, 1 x2"
    [alone] = fold("s", runs[:1]).nodes
    assert alone.label == "text_pretrain"


def test_a_value_of_most_runs_is_usual_and_left_out_of_labels() -> None:
    runs = [run("t", TEXT)]
    runs += [run(f"f{i}", FINETUNE, ["t"], epochs=2, keep=i % 2) for i in range(3)]
    runs += [run("other", FINETUNE, ["t"], epochs=3, keep=1)]
    folded = fold("s", runs)
    assert folded.usual == (Axis(name="epochs", value=2),)  # keep is half and half
    labels = {node.node_id: node.label for node in folded.nodes}
    assert labels["f0"] == "keep 0%"
    assert labels["other"] == "epochs 3, keep 100%"


def test_a_usual_value_is_said_where_the_parent_has_another() -> None:
    runs = [run(f"t{i}", TEXT, epochs=2) for i in range(3)]
    runs += [run("odd", TEXT, epochs=3), run("f", FINETUNE, ["odd"], epochs=2)]
    assert by_id(fold("s", runs))["f"].label == "epochs 2"


def test_models_seeds_and_cooldown_points_are_said_however_usual() -> None:
    runs = [run(f"t{i}", TEXT, model="m", cooldown_point=1.0, seed=0) for i in range(3)]
    runs += [run("s", TEXT, model="s", cooldown_point=0.5, seed=3)]
    folded = fold("s", runs)
    assert folded.usual == ()
    assert folded.nodes[0].label == "m, at 100%, seed 0"


def test_a_part_of_the_seeds_is_named_where_the_parent_has_more() -> None:
    runs = seeds_and_epochs()
    runs.append(run("late", FINETUNE, ["t1"], seed=1, epochs=3))
    assert by_id(fold("s", runs, most_nodes=9))["late"].label == "seed 1, epochs 3"


@pytest.mark.parametrize("most_nodes", [None, 100, 1])
def test_a_folded_plan_holds_every_run_once(demo: Plan, most_nodes: int | None) -> None:
    folded = fold(demo.study, demo.runs, most_nodes)
    held = [run_id for node in folded.nodes for run_id in node.run_ids]
    assert sorted(held) == sorted(run.run_id for run in demo.runs)
    assert folded.runs == len(demo.runs)


def test_runs_of_one_node_differ_in_folded_axes_alone(demo: Plan) -> None:
    folded = fold(demo.study, demo.runs, 100)
    runs = {run.run_id: run for run in demo.runs}
    assert len(folded.nodes) <= 100
    for node in folded.nodes:
        members = [runs[run_id] for run_id in node.run_ids]
        assert {member.stage for member in members} == {node.stage}
        own = [{k: v for k, v in values(m).items() if k not in folded.folded} for m in members]
        # An evaluation before fine-tuning has fewer axes, which those after it share.
        assert all(one[k] == own[0][k] for one in own for k in one.keys() & own[0].keys())
        assert len({m.axes for m in members}) == len(members)


@st.composite
def random_runs(draw: st.DrawFn) -> list[PlannedRun]:
    runs: list[PlannedRun] = []
    for place in range(draw(st.integers(1, 14))):
        needs = draw(st.lists(st.integers(0, place - 1), unique=True, max_size=3)) if place else []
        axes = {name: draw(st.integers(0, 1)) for name in ("seed", "epochs")}
        stage = draw(st.sampled_from([TEXT, FINETUNE, EVALUATE]))
        runs.append(run(f"r{place}", stage, [f"r{need}" for need in needs], **axes))
    return runs


@given(random_runs(), st.sampled_from([None, 1, 3, 6]))
def test_nodes_need_just_what_their_runs_need_and_come_after_it(
    runs: list[PlannedRun], most_nodes: int | None
) -> None:
    folded = fold("s", runs, most_nodes)
    node_of = {run_id: node.node_id for node in folded.nodes for run_id in node.run_ids}
    seen: set[str] = set()
    for node in folded.nodes:
        for run_id in node.run_ids:
            needs = next(run.needs for run in runs if run.run_id == run_id)
            assert set(node.needs) == {node_of[need] for need in needs}
        assert set(node.needs) <= seen
        seen.add(node.node_id)
