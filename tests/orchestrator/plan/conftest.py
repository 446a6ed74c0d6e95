"""A small study file, as a tree that tests change."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator.plan.cost.throughput import Machine
from orchestrator.plan.plan import Plan
from orchestrator.plan.planner import plan_study
from orchestrator.store.study_file import load_study

MODEL = {
    "width": 32,
    "depth": 2,
    "heads": 2,
    "vocab_size": 64,
    "seq_len": 16,
    "norm": "gain_only_lp_layer_norm",
    "qk_norm": True,
    "ffn_multiple": 16,
}
TREE: dict[str, Any] = {
    "study": "small",
    "encoder": "tower",
    "models": {"s": MODEL, "m": {**MODEL, "width": 64}},
    "encoders": {
        "tower": {"encoder": "cnn", "image_size": 48, "patch_size": 16, "feature_width": 8}
    },
    "data": {"world": {"recipe": "nowhere:make", "seed": 1}},
    "stages": {
        "tower_pretrain": {
            "scenes": "world/scenes",
            "steps": 10,
            "batch_images": 4,
            "learning_rate": {"peak": 1e-3},
        },
        "text_pretrain": {
            "text": "world/text",
            "tokens": 6_400,
            "batch_tokens": 64,
            "learning_rate": {"peak": 3e-3, "warmup": 0.05},
        },
        "image_text_pretrain": {
            "captions": "world/captions",
            "image_ratio": 0.5,
            "tokens": 1_280,
            "learning_rate": {"rule": "inherited", "warmup": 0.1, "equal_peak": 1e-3},
        },
        "finetune": {
            "instructions": "world/instructions",
            "examples": 100,
            "epochs": 1,
            "batch_examples": 10,
            "tokens_per_example": 12,
            "learning_rate": {"peak": 1e-3},
        },
        "evaluate": {"suites": ["text", "vision"]},
    },
    "suites": {
        "text": {"kind": "text", "data": "world/benchmarks", "benchmarks": ["facts"]},
        "vision": {"kind": "vision", "data": "world/benchmarks", "benchmarks": ["vqa"]},
    },
    "arms": {
        "timing": {
            "axes": {"model": ["s", "m"], "cooldown_point": [0, "40%", "80%", 1.0]},
            "feeds": ["figure_4"],
        }
    },
}

PlanTree = Callable[[dict[str, Any]], Plan]


@pytest.fixture
def tree() -> dict[str, Any]:
    return copy.deepcopy(TREE)


@pytest.fixture
def plan_tree(tmp_path: Path) -> PlanTree:
    """Plan a tree as if it had been a file."""

    def plan(tree: dict[str, Any]) -> Plan:
        path = tmp_path / "study.yaml"
        path.write_text(yaml.safe_dump(tree, sort_keys=False))
        return plan_study(load_study(path), Machine())

    return plan
