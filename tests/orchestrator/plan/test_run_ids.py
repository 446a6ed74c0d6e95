"""Which words of a study file move the names of runs: every one of science, none of other kinds."""

import copy
import random
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, cast, get_args, get_type_hints

import pytest
import yaml
from omegaconf import OmegaConf

from orchestrator.plan.plan import Plan
from orchestrator.plan.planner import plan_study
from orchestrator.plan.throughput import Machine
from orchestrator.spec.codec import FromPlain
from orchestrator.spec.parallel import Parallelism
from orchestrator.spec.settings import StageSettings
from orchestrator.store.study_file import ARM_KEYS, KEYS, load_study

PlanTree = Callable[[dict[str, Any]], Plan]
STUDIES = sorted((Path(__file__).parents[3] / "sweeps").glob("*.yaml"))
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
OPTIMIZER = {"beta2": 0.99}
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
            "equal_peak": 2e-3,
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
    "filter.keep": 0.4,
    **under("finetune.learning_rate", RATES),
    **under("finetune.optimizer", OPTIMIZERS),
    "finetune.instructions": "world/other",
    "finetune.examples": 500,
    "finetune.epochs": 3,
    "finetune.batch_examples": 20,
    "average.over": {"epochs": [1, 3]},
    "average.soup": {"soup": "uniform", "selection": GONE},
    "average.selection": "other",
    "evaluate.suites": ["text"],
}
"""Another value for each setting that decides a result; a mapping changes its neighbours, too."""

COSTS = {"finetune.tokens_per_example": 13}
"""Settings that are for costs alone."""

PARALLELISM = {"gpus": 8, "micro_batch": 4, "sharding": "sharded", "recompute": "blocks"}
STRUCTURE = {"seed", "encoder", "models", "encoders", "data", "stages", "suites", "arms"}
"""Keys whose parts are tried one by one here or in the tests of planning."""


@pytest.fixture
def full(tree: dict[str, Any]) -> dict[str, Any]:
    """Return a study that uses every setting."""
    tree["stages"] = copy.deepcopy(STAGES)
    tree["suites"]["other"] = {**tree["suites"]["vision"], "limit": 3}
    tree["data"] = {"world": {"version": "1", "tokens": 1_000_000}}
    every = ["text_pretrain", "image_text_pretrain", "finetune", "average", "evaluate"]
    rules = ["inherited", "rewarmed", "equal_peak"]
    one = {"axes": {"model": ["s"], "cooldown_point": ["40%", 1.0]}, "feeds": ["figure_4"]}
    tree["arms"] = {
        "one": one,
        "rules": {"axes": {"learning_rate_rule": rules}, "fixed": {"model": "s"}},
        "soup": {"fixed": {"model": "m"}, "stages": every, "group": "more"},
    }
    return tree


def names(plan: Plan) -> set[str]:
    return {run.run_id for run in plan.runs}


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
def test_a_setting_of_science_moves_names(
    place: str, full: dict[str, Any], plan_tree: PlanTree
) -> None:
    before = names(plan_tree(full))
    after = names(plan_tree(put(full, f"stages.{place}", SCIENCE[place])))
    assert before - after
    assert after - before


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("seed", 1),
        ("models.s.depth", 3),
        ("models.s.stages", {"finetune": {"epochs": 3}}),
        ("encoders.tower.feature_width", 16),
        ("data.world.version", "2"),
        ("suites.text.benchmarks", ["sums"]),
        ("suites.text.name", GONE),
        ("override", [{"when": {"model": "s"}, "set": {"epochs": 3}}]),
        ("functions", {"finetune": "my_own.stages:finetune"}),
        ("arms.one.override", [{"when": {"model": "s"}, "set": {"epochs": 3}}]),
        ("arms.one.fixed", {"epochs": 3}),
        ("arms.one.where", [{"cooldown_point": "40%"}]),
    ],
)
def test_a_key_of_science_moves_names(
    place: str, value: Any, full: dict[str, Any], plan_tree: PlanTree
) -> None:
    if value is GONE:  # the name of a suite is its key
        changed = copy.deepcopy(full)
        changed["suites"]["renamed"] = changed["suites"].pop("text")
        changed["stages"]["evaluate"]["suites"] = ["renamed", "vision"]
    else:
        changed = put(full, place, value)
    assert names(plan_tree(changed)) != names(plan_tree(full))


def renamed(tree: dict[str, Any], _: str) -> dict[str, Any]:
    return tree | {"arms": {f"another {name}": arm for name, arm in tree["arms"].items()}}


def reversed_arms(tree: dict[str, Any]) -> dict[str, Any]:
    return tree | {"arms": dict(reversed(tree["arms"].items()))}
