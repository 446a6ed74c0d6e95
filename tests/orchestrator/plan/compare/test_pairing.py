"""Counterparts: runs that differ in what changed, each used once, and never just any run."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.plan.compare.pairing import Pair, Side, paired
from orchestrator.plan.compare.recipe import Recipes
from orchestrator.plan.plan import Plan
from orchestrator.spec.run import Stage
from orchestrator.store.study_plan import load_plan

PlanTree = Callable[[dict[str, Any]], Plan]
Tree = dict[str, Any]


def pairs_of(one: Plan, other: Plan) -> tuple[Pair, ...]:
    """Pair the runs that one plan has and the other has not."""
    names = [{run.run_id for run in plan.runs} for plan in (one, other)]
    dropped = tuple(run for run in one.runs if run.run_id not in names[1])
    added = tuple(run for run in other.runs if run.run_id not in names[0])
    return paired(
        Side(runs=dropped, recipes=Recipes(one.runs)), Side(runs=added, recipes=Recipes(other.runs))
    )


def tunes(pairs: tuple[Pair, ...]) -> list[Pair]:
    return [pair for pair in pairs if pair.one.stage is Stage.FINETUNE]


def arm(tree: Tree, **axes: list[Any]) -> Tree:
    tree = copy.deepcopy(tree)
    tree["arms"] = {"a": {"axes": {"model": ["s"], **axes}}}
    return tree


def test_each_run_is_paired_with_its_own_self_changed(tree: Tree, plan_tree: PlanTree) -> None:
    before = plan_tree(tree)
    tree["stages"]["finetune"]["learning_rate"]["peak"] = 2e-3
    pairs = pairs_of(before, plan_tree(tree))
    moved = [run for run in before.runs if run.stage in (Stage.FINETUNE, Stage.EVALUATE)]
    assert [pair.one for pair in pairs] == moved
    for pair in pairs:
        assert [each.place for each in pair.contrasts] == ["stages.finetune.learning_rate.peak"]
        assert pair.one.axes == pair.other.axes


def test_a_value_moved_for_a_part_of_the_runs_pairs_that_part(
    tree: Tree, plan_tree: PlanTree
) -> None:
    before = plan_tree(arm(tree, seed=[0, 1], image_ratio=[0.1, 0.5]))
    after = plan_tree(arm(tree, seed=[0, 1], image_ratio=[0.2, 0.5]))
    pairs = tunes(pairs_of(before, after))
    assert len(pairs) == 2
    for pair in pairs:
        [found] = pair.contrasts
        assert (found.one, found.other) == (0.1, 0.2)


def test_two_changes_at_once_still_lead_to_the_counterpart(tree: Tree, plan_tree: PlanTree) -> None:
    before = plan_tree(arm(tree, seed=[0, 1], epochs=[1, 2], image_ratio=[0.1, 0.5]))
    tree["stages"]["finetune"]["learning_rate"]["peak"] = 2e-3
    after = plan_tree(arm(tree, seed=[0, 1], epochs=[1, 3], image_ratio=[0.2, 0.5]))
    pairs = tunes(pairs_of(before, after))
    assert len(pairs) == 8
    for pair in pairs:
        changed = {each.place: (each.one, each.other) for each in pair.contrasts}
        assert changed.pop("stages.finetune.learning_rate.peak") == (1e-3, 2e-3)
        changed.pop("stages.finetune.learning_rate.warmup", None)
        assert set(changed.items()) <= {
            ("stages.finetune.epochs", (2, 3)),
            ("stages.image_text_pretrain.image_ratio", (0.1, 0.2)),
        }


def test_a_batch_that_rounds_every_budget_otherwise_leads_to_the_counterparts(
    tmp_path: Path,
) -> None:
    # Some budgets come to the same tokens as before and some do not, so that no setting but the
    # batch moves for every run, and several others move for some.
    study = Path(__file__).parents[4] / "sweeps" / "one_gpu.yaml"
    before = load_plan(study, results=tmp_path)
    after = load_plan(study, ("stages.text_pretrain.batch_tokens=131_072",), tmp_path)
    pairs = pairs_of(before, after)
    assert [pair.one for pair in pairs] == list(before.runs)
    kept = {"model", "seed", "cooldown_point", "image_ratio", "epochs", "suite"}
    for pair in pairs:
        axes = [
            {axis.name: axis.value for axis in run.axes if axis.name in kept}
            for run in (pair.one, pair.other)
        ]
        assert axes[0] == axes[1]


def test_runs_of_another_kind_altogether_are_no_counterparts(
    tree: Tree, plan_tree: PlanTree
) -> None:
    before = plan_tree(arm(tree, cooldown_point=["40%"]))
    other = copy.deepcopy(tree)
    other["models"]["s"] |= {"width": 64, "depth": 4, "vocab_size": 128, "heads": 4, "seq_len": 32}
    other["models"]["s"] |= {"norm": "rms_norm", "qk_norm": False, "ffn_multiple": 32}
    other["encoders"]["tower"] |= {"image_size": 64, "feature_width": 16, "projector": "linear"}
    for name in ("tower_pretrain", "text_pretrain", "finetune"):
        rates: Tree = {
            "beta1": 0.5,
            "beta2": 0.5,
            "eps": 1e-3,
            "weight_decay": 1,
            "decay": "matrices",
        }
        guard = {"bad_step": "skip", "spike_sigmas": 6, "window": 9, "rewind_steps": 9, "most": 9}
        rates |= {"grad_clip": 2, "z_loss": 1, "guard": guard}
        other["stages"][name]["optimizer"] = rates
        other["stages"][name]["learning_rate"] = {"peak": 1e-4, "final": 1e-5, "curve": "linear"}
    assert not pairs_of(before, plan_tree(arm(other, cooldown_point=["40%"])))


def test_a_run_of_another_model_is_no_counterpart_if_more_differs(
    tree: Tree, plan_tree: PlanTree
) -> None:
    own: Tree = {"axes": {"model": ["s", "m"], "cooldown_point": ["40%", "80%"]}}
    tree["arms"] = {"a": own}
    before = plan_tree(tree)
    own["axes"]["cooldown_point"] = ["50%", "60%", "80%"]
    own["where"] = [{"model": "m"}, {"cooldown_point": "80%"}]
    pairs = tunes(pairs_of(before, plan_tree(tree)))
    models = [axis.value for pair in pairs for axis in pair.one.axes if axis.name == "model"]
    assert models == ["m"]  # that of 40 % is now at 50 %; s has none in the place of its own


VALUES = {"seed": [0, 1, 2], "image_ratio": [0.1, 0.2, 0.5], "epochs": [1, 2, 3]}
AXES = st.fixed_dictionaries(
    {
        name: st.lists(st.sampled_from(values), min_size=1, max_size=2, unique=True)
        for name, values in VALUES.items()
    }
)


@settings(
    max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(before=AXES, after=AXES)
def test_no_run_is_used_twice_and_no_near_pair_is_left(
    before: dict[str, list[Any]], after: dict[str, list[Any]], tree: Tree, plan_tree: PlanTree
) -> None:
    one, other = plan_tree(arm(tree, **before)), plan_tree(arm(tree, **after))
    pairs = pairs_of(one, other)
    for side in ("one", "other"):
        used = [getattr(pair, side).run_id for pair in pairs]
        assert len(set(used)) == len(used)
    recipes = (Recipes(one.runs), Recipes(other.runs))
    used = {pair.one.run_id for pair in pairs} | {pair.other.run_id for pair in pairs}
    kept = {run.run_id for run in one.runs} & {run.run_id for run in other.runs}
    alone = [[run for run in plan.runs if run.run_id not in used | kept] for plan in (one, other)]
    for mine in alone[0]:
        for yours in alone[1]:
            if mine.stage is yours.stage:
                places = recipes[0].of(mine).items() ^ recipes[1].of(yours).items()
                assert len({place for place, _ in places}) > 1
