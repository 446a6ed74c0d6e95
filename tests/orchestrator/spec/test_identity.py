"""Names of runs: stable in every process, moved by science, untouched by everything else."""

import subprocess
import sys
from dataclasses import fields, replace
from typing import Any

import pytest

from orchestrator.spec.identity import run_id
from orchestrator.spec.model import Encoder, ModelConfig, Norm, VisionConfig
from orchestrator.spec.run import (
    DataSource,
    Finetune,
    ImageTextPretrain,
    OptimizerConfig,
    OptimizerState,
    TextPretrain,
)
from orchestrator.spec.schedule import warmup_cosine

MODEL = ModelConfig(
    width=64, depth=2, heads=2, vocab_size=64, seq_len=16, norm=Norm.GAIN_ONLY_LP, qk_norm=True
)
TEXT = DataSource(name="world/text", version="1")
SCHEDULE = warmup_cosine(peak=1e-3, final=0.0, warmup=64, length=640)
SEGMENT = TextPretrain(
    model=MODEL,
    text=TEXT,
    val_text=None,
    end_tokens=640,
    batch_tokens=64,
    schedule=SCHEDULE,
    optimizer=OptimizerConfig(),
    seed=0,
)
VISION = VisionConfig(encoder=Encoder.CNN, image_size=48, patch_size=16, feature_width=8)
BRANCH = ImageTextPretrain(
    model=MODEL,
    vision=VISION,
    text=TEXT,
    captions=DataSource(name="world/captions", version="1"),
    val_text=None,
    val_captions=None,
    image_ratio=0.1,
    tokens=640,
    text_start=0,
    batch_tokens=64,
    schedule=SCHEDULE,
    optimizer=OptimizerConfig(),
    optimizer_state=OptimizerState.KEEP,
    seed=0,
    trunk=None,
    tower=None,
)
FINETUNE = Finetune(
    model=MODEL,
    vision=VISION,
    instructions=DataSource(name="world/instructions", version="1"),
    examples=10,
    epochs=1,
    batch_examples=2,
    val_text=None,
    val_captions=None,
    schedule=SCHEDULE,
    optimizer=OptimizerConfig(),
    seed=0,
    parent="0123456789ab",
    tower=None,
)

CHANGES: dict[str, Any] = {
    "model": replace(MODEL, depth=3),
    "vision": replace(VISION, frozen=False),
    "text": replace(TEXT, version="2"),
    "captions": replace(TEXT, version="2"),
    "instructions": replace(TEXT, version="2"),
    "val_text": TEXT,
    "val_captions": TEXT,
    "image_ratio": 0.2,
    "tokens": 1_280,
    "end_tokens": 320,
    "text_start": 64,
    "batch_tokens": 32,
    "schedule": warmup_cosine(peak=2e-3, final=0.0, warmup=64, length=640),
    "optimizer": OptimizerConfig(beta2=0.99),
    "optimizer_state": OptimizerState.DROP,
    "seed": 1,
    "trunk": "ba9876543210",
    "tower": "ba9876543210",
    "parent": "ba9876543210",
    "examples": 12,
    "epochs": 2,
    "batch_examples": 5,
}


def test_run_ids_are_pinned() -> None:
    # Results on disk carry these names. If one must change, raise IDENTITY_VERSION and say so in
    # CHANGELOG.md under "Changes results".
    assert [run_id(config) for config in (SEGMENT, BRANCH, FINETUNE)] == [
        "e7ee9f2c226a",
        "28d5167a7237",
        "209d752fa4db",
    ]


@pytest.mark.parametrize("config", [SEGMENT, BRANCH, FINETUNE], ids=lambda c: type(c).__name__)
def test_every_declared_value_moves_the_name(config: Any) -> None:
    names = {run_id(config)}
    for field in fields(config):
        names.add(run_id(replace(config, **{field.name: CHANGES[field.name]})))
    assert len(names) == 1 + len(fields(config))


def test_how_a_number_is_written_does_not_move_the_name() -> None:
    assert run_id(replace(BRANCH, image_ratio=0)) == run_id(replace(BRANCH, image_ratio=0.0))


def test_the_name_is_the_same_in_another_process() -> None:
    # Another hash seed, so that an order taken from a set or from hash() would show.
    code = (
        "import runpy; names = runpy.run_path(" + repr(__file__) + ");"
        "print(names['run_id'](names['BRANCH']))"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert printed.stdout.strip() == run_id(BRANCH)
