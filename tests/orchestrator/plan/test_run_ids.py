"""Which words of a study file move the names of runs: every one of science, none of other kinds."""

import copy
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, cast, get_args, get_type_hints

import pytest
import yaml

from orchestrator.plan.plan import Plan
from orchestrator.spec.codec import FromPlain
from orchestrator.spec.parallel import Parallelism
from orchestrator.spec.settings import StageSettings
from orchestrator.store.study_file import ARM_KEYS, KEYS

PlanTree = Callable[[dict[str, Any]], Plan]
Names = frozenset[tuple[str, str]]
"""Stages and names of runs."""

Named = Callable[[dict[str, Any]], Names]
KNOWN: dict[str, Names] = {}
GONE = object()
"""Stands for a key that is taken out."""

RATE = {
    "peak": 3e-3,
    "final": 1e-5,
    "warmup": 0.1,
    "curve": "infinite",
    "cooldown": 0.2,
    "plateau": 1e-3,
    "anneal": 0.2,
}
OPTIMIZER = {"beta2": 0.99, "guard": {"window": 100}}
STAGES: dict[str, Any] = {
    "tower_pretrain": {
        "scenes": "world/scenes",
        "steps": 40,
        "batch_images": 4,
        "learning_rate": RATE,
        "optimizer": OPTIMIZER,
        "features_of": ["world/captions"],
    },
    "text_pretrain": {
        "text": "world/text",
        "val_text": "world/text_val",
        "tokens": 6_400,
        "batch_tokens": 64,
        "learning_rate": RATE,
        "optimizer": OPTIMIZER,
    },
    "image_text_pretrain": {
        "captions": "world/captions",
        "val_captions": "world/captions_val",
        "image_ratio": 0.5,
        "tokens": 6_400,
        "learning_rate": {
            "rule": "inherited",
            "final": 1e-5,
            "warmup": 0.1,
            "rewarm_peak": 2e-3,
            "equal_peak": 1e-3,
        },
        "optimizer": OPTIMIZER,
        "instruction_ratio": 0.2,
        "instructions": "world/instructions",
    },
    "filter": {"keep": 0.5},
    "finetune": {
        "instructions": "world/instructions",
        "examples": 400,
        "epochs": 1,
        "batch_examples": 10,
        "tokens_per_example": 12,
        "learning_rate": RATE,
        "optimizer": OPTIMIZER,
    },
    "average": {"over": {"epochs": [1, 2]}, "soup": "greedy", "selection": "vision"},
    "evaluate": {"suites": ["text", "vision"]},
}
"""Every stage, with every setting that changes something."""

RATES: dict[str, Any] = {
    "peak": 4e-3,
    "final": 2e-5,
    "warmup": 0.2,
    "warmup_steps": {"warmup": GONE, "warmup_steps": 7},
    "curve": "wsd",
    "cooldown": 0.3,
    "plateau": 2e-3,
    "anneal": 0.3,
}
OPTIMIZERS: dict[str, Any] = {
    "beta1": 0.8,
    "beta2": 0.95,
    "eps": 1e-6,
    "weight_decay": 0.1,
    "decay": "matrices",
    "grad_clip": 0.5,
    "z_loss": 1e-4,
    "guard.bad_step": "skip",
    "guard.spike_sigmas": 6,
    "guard.window": 64,
    "guard.rewind_steps": 50,
    "guard.most": 5,
}


def under(place: str, values: dict[str, Any]) -> dict[str, Any]:
    return {f"{place}.{name}": value for name, value in values.items()}


SCIENCE: dict[str, Any] = {
    **under("tower_pretrain.learning_rate", RATES),
    **under("tower_pretrain.optimizer", OPTIMIZERS),
    "tower_pretrain.scenes": "world/other",
    "tower_pretrain.steps": 50,
    "tower_pretrain.batch_images": 8,
    "tower_pretrain.features_of": ["world/captions", "world/instructions"],
    "tower_pretrain.seed": 1,
    **under("text_pretrain.learning_rate", RATES),
    **under("text_pretrain.optimizer", OPTIMIZERS),
    "text_pretrain.text": "world/other",
    "text_pretrain.tokens": 12_800,
    "text_pretrain.batch_tokens": 32,
    "text_pretrain.val_text": "world/other",
    "text_pretrain.seed": 5,
    **under(
        "image_text_pretrain.learning_rate",
        {
            "rule": "equal_peak",
            "final": 2e-5,
            "warmup": 0.2,
            "warmup_steps": {"warmup": GONE, "warmup_steps": 7},
            "rewarm_peak": 3e-3,
            "equal_peak": 4e-3,
        },
    ),
    **under("image_text_pretrain.optimizer", OPTIMIZERS),
    "image_text_pretrain.captions": "world/other",
    "image_text_pretrain.val_captions": "world/other",
    "image_text_pretrain.image_ratio": 0.4,
    "image_text_pretrain.tokens": 12_800,
    "image_text_pretrain.batch_tokens": 32,
    "image_text_pretrain.optimizer_state": "drop",
    "image_text_pretrain.text": "world/other",
    "image_text_pretrain.instruction_ratio": 0.4,
    "image_text_pretrain.instructions": "world/other",
    "image_text_pretrain.tower_lr_scale": 0.1,
    "filter.keep": 0.4,
    "filter.of": "text",
    **under("finetune.learning_rate", RATES),
    **under("finetune.optimizer", OPTIMIZERS),
    "finetune.instructions": "world/other",
    "finetune.examples": 500,
    "finetune.epochs": 3,
    "finetune.batch_examples": 20,
    "finetune.tower_lr_scale": 0.1,
    "average.over": {"epochs": [1, 3]},
    "average.soup": {"soup": "uniform", "selection": GONE},
    "average.selection": "other",
    "evaluate.suites": ["text", "other"],
}
"""Another value for each setting that decides a result; a mapping changes its neighbours, too."""

COSTS = {"finetune.tokens_per_example": 13}
"""Settings that are for costs alone."""

KEYS_OF_SCIENCE: dict[str, Any] = {
    "seed": 1,
    "encoder": "patches",
    "presets": {"tiny": {"depth": 3}},
    "models.s.depth": 3,
    "models.s.stages": {"finetune": {"epochs": 3}},
    "encoders.tower.feature_width": 16,
    "data.world.version": "2",
    "stages.evaluate": {"suites": ["text"]},
    "suites.text.benchmarks": ["sums"],
    "override": [{"when": {"model": "s"}, "set": {"epochs": 3}}],
    "functions": {"finetune": "my_own.stages:finetune"},
    "arms.one.axes": {"model": ["s"]},
    "arms.one.fixed": {"epochs": 3},
    "arms.one.zip": [["model", "cooldown_point"]],
    "arms.one.where": [{"cooldown_point": "40%"}],
    "arms.one.override": [{"when": {"model": "s"}, "set": {"epochs": 3}}],
    "arms.one.stages": ["text_pretrain", "evaluate"],
}
PARALLELISM = {"gpus": 8, "micro_batch": 4, "sharding": "sharded", "recompute": "blocks"}
PATCHES = {"encoder": "patch", "image_size": 48, "patch_size": 16, "feature_width": 768}
INFRASTRUCTURE: dict[str, Any] = {
    "study": "another",
    "about": "Something else.",
    "launch": {"profile": "a100"},
    **{f"launch.layouts.s.{name}": value for name, value in PARALLELISM.items()},
    "data.world.tokens": 2_000_000,
    "data.world.may_repeat": True,
    "data.unused": {"version": "1"},
    "models.unused": {"preset": "open_lm_79m"},
    "encoders.unused": PATCHES,
    "suites.unused": {"kind": "text", "data": "world/benchmarks", "benchmarks": ["sums"]},
    "presets.unused": {"depth": 1},
    "functions": {"finetune": "models.stages:finetune"},
    "arms.one.feeds": ["table_1"],
    "arms.one.group": "another",
    "arms.child": {"parent": "one"},
    "include": "base.yaml",
    **under("stages", COSTS),
}
"""What names nothing; each is put in the place of what the study says there, or added."""


@pytest.fixture
def full(tree: dict[str, Any]) -> dict[str, Any]:
    """Return a study that uses every setting."""
    tree["stages"] = copy.deepcopy(STAGES)
    tree["suites"]["other"] = {**tree["suites"]["vision"], "limit": 3}
    tree["data"] = {"world": {"version": "1", "tokens": 1_000_000}}
    tree["encoders"]["patches"] = PATCHES
    tree["encoders"]["tower"]["frozen"] = False
    tree["presets"] = {"tiny": {"depth": tree["models"]["s"].pop("depth")}}
    tree["models"]["s"]["preset"] = "tiny"
    tree["launch"] = {"layouts": {"s": {"gpus": 1}}}
    every = ["text_pretrain", "image_text_pretrain", "finetune", "average", "evaluate"]
    rules = ["inherited", "rewarmed", "equal_peak"]
    one = {"axes": {"model": ["s", "m"], "cooldown_point": ["40%", 1.0]}, "feeds": ["figure_4"]}
    tree["arms"] = {
        "one": one,
        "rules": {"axes": {"learning_rate_rule": rules}, "fixed": {"model": "s"}},
        "soup": {"fixed": {"model": "m"}, "stages": every, "group": "more"},
    }
    return tree


@pytest.fixture
def named(plan_tree: PlanTree) -> Named:
    """Return the names of a study's runs; of a study met before, what they were."""

    def names(tree: dict[str, Any]) -> Names:
        text = yaml.safe_dump(tree, sort_keys=False)
        if text not in KNOWN:
            runs = plan_tree(tree).runs
            KNOWN[text] = frozenset((run.stage.value, run.run_id) for run in runs)
        return KNOWN[text]

    return names


def put(tree: dict[str, Any], place: str, value: Any) -> dict[str, Any]:
    """Return the tree with another value at a dotted place, or with other neighbours there."""
    tree = copy.deepcopy(tree)
    inner = tree
    *path, last = place.split(".")
    for step in path:
        inner = inner[step]
    is_several = isinstance(value, dict) and last in value
    for key, item in (cast(dict[str, Any], value) if is_several else {last: value}).items():
        if item is GONE:
            inner.pop(key)
        else:
            inner[key] = item
    return tree


def leaves(kind: Any, place: str = "") -> Iterator[str]:
    """Return the dotted places of single settings in a dataclass."""
    for name, hint in get_type_hints(kind).items():
        inner = next((part for part in (hint, *get_args(hint)) if is_dataclass(part)), None)
        at = f"{place}.{name}" if place else name
        if inner is None or hasattr(inner, FromPlain.from_plain.__name__):
            yield at
        else:
            yield from leaves(inner, at)


def test_every_setting_of_a_stage_is_tried() -> None:
    assert {*SCIENCE, *COSTS} == set(leaves(StageSettings))


@pytest.mark.parametrize("place", SCIENCE)
def test_a_setting_of_science_moves_the_runs_of_its_stage(
    place: str, full: dict[str, Any], named: Named
) -> None:
    before = named(full)
    after = named(put(full, f"stages.{place}", SCIENCE[place]))
    stage = place.split(".")[0]
    assert stage in {each for each, _ in before - after}
    assert stage in {each for each, _ in after - before}


@pytest.mark.parametrize("place", KEYS_OF_SCIENCE)
def test_a_key_of_science_moves_names(place: str, full: dict[str, Any], named: Named) -> None:
    changed = put(full, place, KEYS_OF_SCIENCE[place])
    assert named(changed) != named(full)


@pytest.mark.parametrize("place", INFRASTRUCTURE)
def test_a_key_of_another_kind_moves_none(
    place: str, full: dict[str, Any], named: Named, tmp_path: Path
) -> None:
    (tmp_path / "base.yaml").write_text("about: Included.\n")
    before = named(full)
    assert named(put(full, place, INFRASTRUCTURE[place])) == before


def test_no_key_is_untried() -> None:
    assert set(PARALLELISM) == {field.name for field in fields(Parallelism)}
    places = [*KEYS_OF_SCIENCE, *INFRASTRUCTURE]
    assert {place.split(".")[0] for place in places} == set(KEYS)
    arms = {place.split(".")[2] for place in places if place.startswith("arms.one.")}
    assert arms | {"parent"} == set(ARM_KEYS)


def test_the_name_of_an_arm_moves_none_and_that_of_a_suite_does(
    full: dict[str, Any], named: Named
) -> None:
    before = named(full)
    arms = {f"another {name}": arm for name, arm in full["arms"].items()}
    assert named({**full, "arms": arms}) == before
    full["suites"]["renamed"] = full["suites"].pop("text")
    full["stages"]["evaluate"]["suites"] = ["renamed", "vision"]
    assert named(full) != before
