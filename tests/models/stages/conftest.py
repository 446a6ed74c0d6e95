"""The smallest declared runs of the tiny world, one of each stage, and a way to run them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from models import stages
from orchestrator.spec.identity import run_id
from orchestrator.spec.model import Encoder, ModelConfig, Norm, VisionConfig
from orchestrator.spec.optimizer import OptimizerConfig, OptimizerState
from orchestrator.spec.run import (
    Average,
    Evaluate,
    Filter,
    Finetune,
    ImageTextPretrain,
    RunConfig,
    TextPretrain,
    TowerPretrain,
)
from orchestrator.spec.schedule import warmup_cosine
from orchestrator.spec.source import DataSource
from orchestrator.store.stage import StageResult

T = 128
BATCH = 4 * T

FUNCTIONS: dict[type[RunConfig], Callable[[Any], StageResult]] = {
    TowerPretrain: stages.tower_pretrain,
    TextPretrain: stages.text_pretrain,
    ImageTextPretrain: stages.image_text_pretrain,
    Filter: stages.filter,
    Finetune: stages.finetune,
    Average: stages.average,
    Evaluate: stages.evaluate,
}


def source(part: str) -> DataSource:
    return DataSource(name=f"shapeworld/{part}", version="tiny")


@dataclass(frozen=True, kw_only=True)
class Declared:
    """Runs of one model; each names the one it needs."""

    model: ModelConfig
    vision: VisionConfig
    tower: TowerPretrain
    branch: ImageTextPretrain
    finetune: Finetune


@pytest.fixture
def declared() -> Declared:
    model = ModelConfig(
        width=32,
        depth=2,
        heads=2,
        vocab_size=512,
        seq_len=T,
        norm=Norm.DEFAULT,
        qk_norm=True,
        ffn_multiple=16,
    )
    vision = VisionConfig(encoder=Encoder.CNN, image_size=48, patch_size=16, feature_width=32)
    optimizer = OptimizerConfig()
    tower = TowerPretrain(
        vision=vision,
        scenes=source("scenes"),
        steps=3,
        batch_images=8,
        schedule=warmup_cosine(peak=3e-3, final=1e-5, warmup=8, length=24),
        optimizer=optimizer,
        features_of=(source("captions"), source("captions_val"), source("instructions")),
        seed=0,
    )
    branch = ImageTextPretrain(
        model=model,
        vision=vision,
        text=source("text"),
        captions=source("captions"),
        val_text=source("text_val"),
        val_captions=source("captions_val"),
        image_ratio=0.5,
        tokens=4 * BATCH,
        text_start=0,
        batch_tokens=BATCH,
        schedule=warmup_cosine(peak=3e-3, final=1e-5, warmup=BATCH, length=4 * BATCH),
        optimizer=optimizer,
        optimizer_state=OptimizerState.DROP,
        seed=0,
        trunk=None,
        tower=run_id(tower),
    )
    finetune = Finetune(
        model=model,
        vision=vision,
        instructions=source("instructions"),
        examples=12,
        epochs=2,
        batch_examples=4,
        val_text=None,
        val_captions=None,
        schedule=warmup_cosine(peak=1e-3, final=0.0, warmup=4, length=24),
        optimizer=optimizer,
        seed=0,
        parent=run_id(branch),
        tower=run_id(tower),
    )
    return Declared(model=model, vision=vision, tower=tower, branch=branch, finetune=finetune)


@pytest.fixture
def run() -> Callable[[Any], StageResult]:
    """Run a context's stage."""
    return lambda context: FUNCTIONS[type(context.config)](context)
