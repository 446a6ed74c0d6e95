"""Filters and soups: what they wait for, what they share, and what makes none."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from orchestrator.errors import SweepError
from orchestrator.plan.lineage import from_scratch
from orchestrator.plan.plan import Plan, PlannedRun
from orchestrator.spec.run import (
    Average,
    Evaluate,
    Filter,
    Finetune,
    ImageTextPretrain,
    Soup,
    Stage,
    TextPretrain,
)

PlanTree = Callable[[dict[str, Any]], Plan]


@pytest.fixture
def curation(tree: dict[str, Any]) -> dict[str, Any]:
    tree["stages"]["filter"] = {"keep": "100%"}
    tree["stages"]["average"] = {
        "over": {"instructions": ["world/instructions", "world/other", "world/third"]}
    }
    tree["suites"]["held_out"] = {**tree["suites"]["vision"], "data": "world/held_out"}
    tree["arms"] = {
        "filter": {"axes": {"keep": ["20%", "50%", 1.0]}, "fixed": {"model": "s"}},
    }
    return tree


def soup_arm(**more: Any) -> dict[str, Any]:
    stages = ["text_pretrain", "image_text_pretrain", "finetune", "average", "evaluate"]
    return {"fixed": {"model": "s", **more}, "stages": stages}


def by_stage(plan: Plan, stage: Stage) -> list[PlannedRun]:
    return [run for run in plan.runs if run.stage is stage]


def test_a_filter_is_scored_by_the_branch_on_all_captions_and_read_by_another(
    curation: dict[str, Any], plan_tree: PlanTree
) -> None:
    plan = plan_tree(curation)
    branches = [
        (run.run_id, run.config) for run in plan.runs if isinstance(run.config, ImageTextPretrain)
    ]
    [(scorer, _)] = [(rid, config) for rid, config in branches if config.captions_from is None]
    filters = by_stage(plan, Stage.FILTER)
    assert [run.config.keep for run in filters if isinstance(run.config, Filter)] == [0.2, 0.5]
    assert all(run.needs[0] == scorer for run in filters)
    needs = {run.run_id: run.needs for run in plan.runs}
    assert all(c.captions_from in needs[rid] for rid, c in branches if c.captions_from)
    readers = {config.captions_from for _, config in branches} - {None}
    assert readers == {run.run_id for run in filters}
    done: set[str] = set()
    for run in plan.runs:
        assert set(run.needs) <= done
        done.add(run.run_id)


def test_the_table_says_what_share_of_captions_each_model_has_read(
    curation: dict[str, Any], plan_tree: PlanTree
) -> None:
    plan = plan_tree(curation)
    kept = {
        run.run_id: next(axis.value for axis in run.axes if axis.name == "keep")
        for run in plan.runs
        if isinstance(run.config, ImageTextPretrain | Finetune | Filter)
    }
    for run in plan.runs:
        match run.config:
            case ImageTextPretrain():
                source = run.config.captions_from
                assert kept[run.run_id] == (1.0 if source is None else kept[source])
            case Finetune():
                assert kept[run.run_id] == kept[run.config.parent]
            case _:
                pass
    assert sorted(set(kept.values()), key=str) == [0.2, 0.5, 1.0]


@pytest.fixture
def on_text(curation: dict[str, Any]) -> dict[str, Any]:
    """A study that filters text, for branches that leave the trunk at two points."""
    curation["stages"]["filter"]["of"] = "text"
    curation["arms"]["filter"]["axes"]["cooldown_point"] = ["40%", 1.0]
    return curation


def test_a_filter_of_text_is_scored_by_a_trunk_on_all_text_and_read_by_another(
    on_text: dict[str, Any], plan_tree: PlanTree
) -> None:
    plan = plan_tree(on_text)
    runs = {run.run_id: run for run in plan.runs}
    done: set[str] = set()
    for run in plan.runs:
        assert set(run.needs) <= done
        done.add(run.run_id)
    filters = {run.run_id: run.config for run in plan.runs if isinstance(run.config, Filter)}
    assert sorted(config.keep for config in filters.values()) == [0.2, 0.2, 0.5, 0.5]
    for config in filters.values():
        scorer = runs[config.parent].config
        assert isinstance(scorer, TextPretrain)
        assert (config.text, config.captions, config.vision) == (scorer.text, None, None)
        assert scorer.text_from is None
    segments = {rid: run.config for rid, run in runs.items() if run.stage is Stage.TEXT_PRETRAIN}
    read: list[str | None] = []
    for rid, config in segments.items():
        assert isinstance(config, TextPretrain)
        read.append(config.text_from)
        assert config.text_from is None or config.text_from in runs[rid].needs
        if config.text_from:
            assert runs[filters[config.text_from].parent].config == replace(config, text_from=None)
    assert sorted(rid for rid in read if rid) == sorted(filters)
    branches = [run for run in plan.runs if isinstance(run.config, ImageTextPretrain)]
    assert len(branches) == 6
    for run in branches:
        assert isinstance(run.config, ImageTextPretrain)
        trunk = segments[run.config.trunk or ""]
        assert isinstance(trunk, TextPretrain)
        assert run.config.text_from == trunk.text_from
        assert run.config.captions_from is None
        assert run.config.text_from is None or run.config.text_from in run.needs


def test_the_table_says_what_share_of_text_each_model_has_read(
    on_text: dict[str, Any], plan_tree: PlanTree
) -> None:
    plan = plan_tree(on_text)
    kept = {
        run.run_id: next((axis.value for axis in run.axes if axis.name == "keep"), None)
        for run in plan.runs
    }
    for run in plan.runs:
        match run.config:
            case TextPretrain() | ImageTextPretrain():
                source = run.config.text_from
                assert kept[run.run_id] == (1.0 if source is None else kept[source])
            case Finetune() | Evaluate():
                assert kept[run.run_id] == kept[run.config.parent]
            case _:
                pass


def test_text_without_a_trunk_to_score_it_is_refused(
    on_text: dict[str, Any], plan_tree: PlanTree
) -> None:
    on_text["arms"]["filter"]["axes"]["cooldown_point"] = [0.0]
    with pytest.raises(SweepError, match="no trunk to score by"):
        plan_tree(on_text)
    on_text["arms"]["filter"]["axes"]["keep"] = [1.0]
    assert by_stage(plan_tree(on_text), Stage.FILTER) == []


def test_a_branch_on_other_text_than_its_trunk_reads_all_of_it(
    on_text: dict[str, Any], plan_tree: PlanTree
) -> None:
    on_text["stages"]["image_text_pretrain"]["text"] = "world/other"
    branches = by_stage(plan_tree(on_text), Stage.IMAGE_TEXT_PRETRAIN)
    assert {getattr(run.config, "text_from", "") for run in branches} == {None}


def test_a_soup_waits_for_its_members_and_is_asked_in_their_place(
    curation: dict[str, Any], plan_tree: PlanTree
) -> None:
    curation["arms"] = {"soup": soup_arm()}
    plan = plan_tree(curation)
    [soup] = by_stage(plan, Stage.AVERAGE)
    assert isinstance(soup.config, Average)
    members = by_stage(plan, Stage.FINETUNE)
    assert soup.config.members == tuple(run.run_id for run in members)
    assert set(soup.config.members) <= set(soup.needs)
    read = [run.config.instructions.name for run in members if isinstance(run.config, Finetune)]
    assert read == ["world/instructions", "world/other", "world/third"]
    asked = {run.config.parent for run in plan.runs if isinstance(run.config, Evaluate)}
    assert asked == {soup.run_id}
    assert [cell.arm for cell in soup.cells] == ["soup"]


def test_a_members_own_arm_shares_its_run(curation: dict[str, Any], plan_tree: PlanTree) -> None:
    sources = curation["stages"]["average"]["over"]["instructions"]
    curation["arms"] = {
        "soup": soup_arm(),
        "single": {"axes": {"instructions": sources}, "fixed": {"model": "s"}},
    }
    finetunes = by_stage(plan_tree(curation), Stage.FINETUNE)
    assert len(finetunes) == 3
    assert all(run.arms == ("soup", "single") for run in finetunes)


def test_a_greedy_soup_ranks_by_its_selection_and_needs_one(
    curation: dict[str, Any], plan_tree: PlanTree
) -> None:
    curation["arms"] = {"soup": soup_arm(**{"stages.average.soup": "greedy"})}
    with pytest.raises(SweepError) as caught:
        plan_tree(curation)
    assert "selection" in caught.value.where
    curation["stages"]["average"]["selection"] = "held_out"
    [soup] = by_stage(plan_tree(curation), Stage.AVERAGE)
    assert isinstance(soup.config, Average)
    assert soup.config.soup is Soup.GREEDY
    assert soup.config.selection is not None
    assert soup.config.selection.name == "held_out"


@pytest.mark.parametrize(
    "over",
    [{"epochs": [0, 1]}, {"model": ["s", "m"]}, {"epochs": [2]}, {"warp": [1, 2]}, {"epochs": []}],
)
def test_a_soup_of_what_cannot_be_averaged_is_refused(
    over: dict[str, Any], curation: dict[str, Any], plan_tree: PlanTree
) -> None:
    curation["stages"]["average"]["over"] = over
    curation["arms"] = {"soup": soup_arm()}
    with pytest.raises(SweepError) as caught:
        plan_tree(curation)
    assert "average" in caught.value.where
    assert caught.value.mend


def test_what_members_share_counts_once_in_the_soups_own_training(
    curation: dict[str, Any], plan_tree: PlanTree
) -> None:
    curation["arms"] = {"soup": soup_arm()}
    plan = plan_tree(curation)
    [soup] = by_stage(plan, Stage.AVERAGE)
    trained = [run.cost.tokens for run in plan.runs]
    assert from_scratch(plan.runs)[soup.run_id].tokens == sum(trained)
    assert plan.saving.tokens == 0  # there is one model, and each of its parts is trained once
