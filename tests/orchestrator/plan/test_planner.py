"""What is planned: every distinct run once, after what it needs, with trunks shared."""

import itertools
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.errors import SweepError
from orchestrator.plan.plan import Plan, PlannedRun
from orchestrator.plan.sources import sources_of
from orchestrator.spec.optimizer import OptimizerState
from orchestrator.spec.run import Evaluate, Finetune, ImageTextPretrain, Stage, TextPretrain

PlanTree = Callable[[dict[str, Any]], Plan]


def by_stage(plan: Plan, stage: Stage) -> list[PlannedRun]:
    return [run for run in plan.runs if run.stage is stage]


def test_every_run_comes_after_what_it_needs(tree: dict[str, Any], plan_tree: PlanTree) -> None:
    done: set[str] = set()
    for run in plan_tree(tree).runs:
        assert set(run.needs) <= done
        assert run.run_id not in done
        done.add(run.run_id)


def test_a_trunk_is_cut_at_its_cooldown_points_and_trained_once(
    tree: dict[str, Any], plan_tree: PlanTree
) -> None:
    segments = by_stage(plan_tree(tree), Stage.TEXT_PRETRAIN)
    assert len(segments) == 2 * 3  # models x points above 0
    tokens = [run.cost.tokens for run in segments[:3]]
    assert tokens == [2_560, 2_560, 1_280]  # 40 %, the next 40 %, the last 20 % of 6,400
    assert [run.previous for run in segments[:3]] == [None, *[r.run_id for r in segments[:2]]]


def test_a_branch_waits_for_the_segment_that_ends_where_it_leaves(
    tree: dict[str, Any], plan_tree: PlanTree
) -> None:
    plan = plan_tree(tree)
    runs = {run.run_id: run for run in plan.runs}
    for run in by_stage(plan, Stage.IMAGE_TEXT_PRETRAIN):
        assert isinstance(run.config, ImageTextPretrain)
        if run.config.trunk is None:
            assert run.config.text_start == 0
            continue
        trunk = runs[run.config.trunk].config
        assert isinstance(trunk, TextPretrain)
        assert trunk.end_tokens == run.config.text_start
        assert trunk.model == run.config.model
        at = trunk.schedule.learning_rate(trunk.end_tokens, trunk.batch_tokens)
        assert run.config.schedule.learning_rate(0, 64) == at
        assert run.config.optimizer_state is OptimizerState.KEEP


def test_each_model_is_asked_every_suite_and_a_trunk_only_the_text(
    tree: dict[str, Any], plan_tree: PlanTree
) -> None:
    tree["arms"]["trunk"] = {
        "axes": {"cooldown_point": ["40%", 1.0]},
        "fixed": {"model": "s"},
        "stages": ["text_pretrain", "evaluate"],
    }
    plan = plan_tree(tree)
    asked = Counter[str]()
    for run in by_stage(plan, Stage.EVALUATE):
        assert isinstance(run.config, Evaluate)
        asked[run.config.parent] += 1
        assert run.needs[0] == run.config.parent
    stages = {run.run_id: run.stage for run in plan.runs}
    assert {stages[parent]: count for parent, count in asked.items()} == {
        Stage.FINETUNE: 2,
        Stage.TEXT_PRETRAIN: 1,
    }


def test_held_out_data_are_measured_before_fine_tuning_once_for_all_that_stand_on_a_branch(
    tree: dict[str, Any], plan_tree: PlanTree
) -> None:
    tree["suites"]["before"] = {
        "kind": "held_out",
        "data": "world/captions",
        "text": "world/text",
        "benchmarks": ["modality_integration_rate", "caption_loss", "text_loss"],
    }
    tree["stages"]["evaluate"]["suites"].append("before")
    tree["arms"] = {
        "epochs": {"axes": {"epochs": [0, 1, 2]}, "fixed": {"model": "s"}},
        "trunk": {"fixed": {"model": "s"}, "stages": ["text_pretrain", "evaluate"]},
    }
    plan = plan_tree(tree)
    [branch] = by_stage(plan, Stage.IMAGE_TEXT_PRETRAIN)
    [asked] = [
        run
        for run in by_stage(plan, Stage.EVALUATE)
        if isinstance(run.config, Evaluate) and run.config.suite.name == "before"
    ]
    assert isinstance(asked.config, Evaluate)
    assert asked.config.parent == branch.run_id
    axes = {axis.name: axis.value for axis in asked.axes}
    assert axes == {**{axis.name: axis.value for axis in branch.axes}, "suite": "before"}
    assert asked.arms == ("epochs",)
    assert asked.cost.flops > 0
    assert [source.name for source in sources_of(asked.config)] == ["world/captions", "world/text"]


def test_equal_runs_of_two_arms_are_one_run_that_remembers_both(
    tree: dict[str, Any], plan_tree: PlanTree
) -> None:
    before = plan_tree(tree)
    tree["arms"]["again"] = {"axes": {"model": ["m"], "cooldown_point": [0.8]}}
    after = plan_tree(tree)
    assert [run.run_id for run in after.runs] == [run.run_id for run in before.runs]
    shared = [run for run in after.runs if run.arms == ("timing", "again")]
    # Tower, two segments to 80 %, branch, fine-tune, two evaluations.
    assert len(shared) == 7
    [subject] = [run for run in after.runs if {cell.arm for cell in run.cells} >= {"again"}]
    assert subject.stage is Stage.FINETUNE


def test_zero_epochs_evaluates_the_pre_trained_model(
    tree: dict[str, Any], plan_tree: PlanTree
) -> None:
    tree["arms"] = {"epochs": {"axes": {"epochs": [0, 1]}, "fixed": {"model": "s"}}}
    plan = plan_tree(tree)
    [branch] = by_stage(plan, Stage.IMAGE_TEXT_PRETRAIN)
    [finetune] = by_stage(plan, Stage.FINETUNE)
    parents = [r.config.parent for r in plan.runs if isinstance(r.config, Evaluate)]
    assert Counter(parents) == {branch.run_id: 2, finetune.run_id: 2}


def test_zipped_axes_move_together_and_where_filters(
    tree: dict[str, Any], plan_tree: PlanTree
) -> None:
    tree["arms"] = {
        "zipped": {
            "axes": {"model": ["s", "m"], "cooldown_point": ["40%", "80%"], "seed": [0, 1]},
            "zip": [["model", "cooldown_point"]],
            "where": [{"seed": 0}, {"model": "m"}],
        }
    }
    cells = [
        {axis.name: axis.value for axis in cell.axes}
        for run in plan_tree(tree).runs
        for cell in run.cells
    ]
    assert cells == [
        {"model": "s", "cooldown_point": 0.4, "seed": 0},
        {"model": "m", "cooldown_point": 0.8, "seed": 0},
        {"model": "m", "cooldown_point": 0.8, "seed": 1},
    ]


def test_an_override_holds_only_where_it_matches(tree: dict[str, Any], plan_tree: PlanTree) -> None:
    tree["arms"]["timing"]["override"] = [
        {"when": {"cooldown_point": "100%"}, "set": {"learning_rate_rule": "rewarmed"}}
    ]
    for run in by_stage(plan_tree(tree), Stage.FINETUNE):
        axes = {axis.name: axis.value for axis in run.axes}
        expected = "rewarmed" if axes["cooldown_point"] == 1.0 else "inherited"
        assert axes["learning_rate_rule"] == expected


def test_a_models_own_settings_hold_for_it_alone(tree: dict[str, Any], plan_tree: PlanTree) -> None:
    tree["models"]["s"]["stages"] = {"text_pretrain": {"learning_rate": {"peak": 9e-3}}}
    peaks = {
        run.config.model.width: run.config.schedule.phases[0].end
        for run in plan_tree(tree).runs
        if isinstance(run.config, TextPretrain)
    }
    assert peaks == {32: 9e-3, 64: 3e-3}


def test_the_saving_is_what_models_trained_alone_would_take_on_top(
    tree: dict[str, Any], plan_tree: PlanTree
) -> None:
    plan = plan_tree(tree)
    branch_and_finetune = 1_280 + 100 * 12
    alone = 2 * sum(round(point * 6_400) + branch_and_finetune for point in (0, 0.4, 0.8, 1.0))
    assert plan.saving.tokens == alone - sum(run.cost.tokens for run in plan.runs)
    assert plan.saving.tokens == 2 * (2_560 + 5_120)


def test_a_study_that_grows_keeps_every_run_it_had(
    tree: dict[str, Any], plan_tree: PlanTree
) -> None:
    before = {run.run_id for run in plan_tree(tree).runs}
    tree["arms"]["timing"]["axes"]["cooldown_point"] = [0, "40%", "60%", "80%", 1.0]
    tree["arms"]["more"] = {"axes": {"image_ratio": [0, 0.1]}, "fixed": {"model": "s"}}
    tree["suites"]["blind"] = {**tree["suites"]["vision"], "images": "blind"}
    tree["stages"]["evaluate"]["suites"].append("blind")
    after = plan_tree(tree)
    assert before < {run.run_id for run in after.runs}
    grown = {
        run.config.end_tokens: run
        for run in by_stage(after, Stage.TEXT_PRETRAIN)[:4]
        if isinstance(run.config, TextPretrain)
    }
    assert grown[5_120].previous == grown[3_840].run_id
    assert grown[3_840].cost.tokens == 1_280


POINTS = st.lists(st.sampled_from([0.0, 0.2, 0.4, 0.6, 0.8, 1.0]), min_size=1, unique=True)
RATIOS = st.lists(st.sampled_from([0.0, 0.1, 0.5, 1.0]), min_size=1, max_size=3, unique=True)


@settings(
    max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(points=POINTS, ratios=RATIOS, seeds=st.sets(st.integers(0, 2), min_size=1))
def test_the_plan_equals_a_brute_force_expansion(
    points: list[float],
    ratios: list[float],
    seeds: set[int],
    tree: dict[str, Any],
    plan_tree: PlanTree,
) -> None:
    tree["arms"] = {
        "one": {
            "axes": {"cooldown_point": points, "image_ratio": ratios, "seed": sorted(seeds)},
            "fixed": {"model": "s"},
        },
        "two": {"axes": {"image_ratio": ratios}, "fixed": {"model": "s", "cooldown_point": 0.4}},
    }
    plan = plan_tree(tree)
    grid = set(itertools.product(points, ratios, seeds)) | {(0.4, r, 0) for r in ratios}
    segments = {(point, seed) for point, _, seed in grid if point > 0}
    assert len(by_stage(plan, Stage.FINETUNE)) == len(grid)
    assert len(by_stage(plan, Stage.IMAGE_TEXT_PRETRAIN)) == len(grid)
    assert len(by_stage(plan, Stage.TEXT_PRETRAIN)) == len(segments)
    assert len(by_stage(plan, Stage.EVALUATE)) == 2 * len(grid)
    trained = sum(run.cost.tokens for run in by_stage(plan, Stage.TEXT_PRETRAIN))
    longest = {seed: max(p for p, s in segments if s == seed) for _, seed in segments}
    assert trained == sum(round(point * 100) * 64 for point in longest.values())
    known = {run.run_id for run in plan.runs}
    assert all(set(run.needs) <= known for run in plan.runs)


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"axes": {"epochs": [1]}, "stages": ["text_pretrain"]}, "arms.a.axes.epochs: "),
        ({"axes": {"model": ["xl"]}}, "arms.a: axes.model"),
        ({"axes": {"image_ratio": [1.4]}, "fixed": {"model": "s"}}, "axes: image_ratio"),
        ({"axes": {"cooldown_point": [80]}, "fixed": {"model": "s"}}, "axes: cooldown_point"),
        ({"axes": {"warp": [1]}, "fixed": {"model": "s"}}, "axes: warp"),
        ({"fixed": {"model": "s", "encoder": "eye"}}, "encoder"),
        ({"fixed": {"model": "s", "text_tokens": 32}}, "stages.text_pretrain: tokens"),
        ({"fixed": {"model": "s"}, "where": [{"seed": 3}]}, "where"),
    ],
)
def test_an_arm_that_cannot_be_is_refused_with_its_place(
    change: dict[str, Any], where: str, tree: dict[str, Any], plan_tree: PlanTree
) -> None:
    tree["arms"] = {"a": change}
    with pytest.raises(SweepError) as caught:
        plan_tree(tree)
    assert where.strip(": ").split(": ")[-1].split(".")[-1] in caught.value.where
    assert "arms.a" in caught.value.where
    assert caught.value.mend


def test_a_fine_tune_keeps_the_rows_it_was_declared_for(
    tree: dict[str, Any], plan_tree: PlanTree
) -> None:
    run = by_stage(plan_tree(tree), Stage.FINETUNE)[0]
    assert isinstance(run.config, Finetune)
    assert run.config.steps == 10
    assert run.config.schedule.length == 100


def test_a_stage_of_the_studys_own_gives_other_names_to_what_it_makes(
    tree: dict[str, Any], plan_tree: PlanTree
) -> None:
    def named(plan: Plan, stage: Stage) -> list[str]:
        return [run.run_id for run in by_stage(plan, stage)]

    before = plan_tree(tree)
    tree["functions"] = {"finetune": "my_own.stages:finetune"}
    after = plan_tree(tree)
    assert named(after, Stage.IMAGE_TEXT_PRETRAIN) == named(before, Stage.IMAGE_TEXT_PRETRAIN)
    assert not set(named(after, Stage.FINETUNE)) & set(named(before, Stage.FINETUNE))
    assert not set(named(after, Stage.EVALUATE)) & set(named(before, Stage.EVALUATE))
    tree["functions"] = {"finetune": "models.stages:finetune"}
    assert plan_tree(tree) == before


def test_one_trunk_can_serve_every_seed_and_is_read_on_in_its_own_order(
    tree: dict[str, Any], plan_tree: PlanTree
) -> None:
    tree["arms"] = {"a": {"axes": {"seed": [0, 1]}, "fixed": {"model": "s"}}}
    assert len(by_stage(plan_tree(tree), Stage.TEXT_PRETRAIN)) == 2
    tree["stages"]["text_pretrain"]["seed"] = 0
    plan = plan_tree(tree)
    [trunk] = by_stage(plan, Stage.TEXT_PRETRAIN)
    branches = [run.config for run in by_stage(plan, Stage.IMAGE_TEXT_PRETRAIN)]
    read = {
        (branch.seed, branch.text_seed, branch.trunk)
        for branch in branches
        if isinstance(branch, ImageTextPretrain)
    }
    assert read == {(0, None, trunk.run_id), (1, 0, trunk.run_id)}


def test_budgets_follow_each_models_size_and_compute(
    tree: dict[str, Any], plan_tree: PlanTree
) -> None:
    axes = {"model": ["s", "m"], "text_tokens": ["20x", "3e11 FLOP"]}
    tree["stages"]["image_text_pretrain"]["tokens"] = "2x"
    tree["arms"] = {"a": {"axes": axes}}
    plan = plan_tree(tree)
    for run in by_stage(plan, Stage.TEXT_PRETRAIN):
        shown = {axis.name: axis.value for axis in run.axes}
        per_token = run.cost.flops / run.cost.tokens
        meant = (20 * run.cost.params_total, 3e11 / per_token)
        assert shown["text_tokens"] == run.cost.tokens  # the table has what was meant in the end
        assert min(abs(run.cost.tokens - tokens) for tokens in meant) <= 32  # half a step
    runs = {run.run_id: run for run in plan.runs}
    for run in by_stage(plan, Stage.IMAGE_TEXT_PRETRAIN):
        trunk = runs[run.needs[0]]
        assert abs(run.cost.tokens - 2 * trunk.cost.params_total) <= 32


def test_a_trained_tower_has_the_learning_rate_that_each_stage_declares(
    tree: dict[str, Any], plan_tree: PlanTree
) -> None:
    tree["encoders"]["tower"]["frozen"] = False
    tree["stages"]["image_text_pretrain"]["tower_lr_scale"] = 0.1
    tree["arms"]["timing"]["axes"]["stages.finetune.tower_lr_scale"] = [1, 0.5]
    tree["arms"]["timing"]["axes"]["cooldown_point"] = ["40%"]
    tree["arms"]["timing"]["axes"]["model"] = ["s"]
    plan = plan_tree(tree)
    scales = {Stage.IMAGE_TEXT_PRETRAIN: [0.1], Stage.FINETUNE: [1, 0.5]}
    for stage, expected in scales.items():
        configs = [run.config for run in by_stage(plan, stage)]
        assert [getattr(config, "tower_lr_scale", None) for config in configs] == expected


def test_a_learning_rate_for_a_tower_that_is_frozen_is_refused(
    tree: dict[str, Any], plan_tree: PlanTree
) -> None:
    tree["stages"]["finetune"]["tower_lr_scale"] = 0.1
    with pytest.raises(SweepError, match="no tower is trained") as refused:
        plan_tree(tree)
    assert "stages.finetune" in str(refused.value.where)
