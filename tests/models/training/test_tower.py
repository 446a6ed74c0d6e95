"""A tower learns to read shapes, and is measured on scenes it has not seen."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models import stages
from models.data.scenes import Scenes
from models.data.shapeworld import make
from models.training.tower import parted, scene_order
from orchestrator.spec.model import Encoder, VisionConfig
from orchestrator.spec.optimizer import OptimizerConfig
from orchestrator.spec.run import TowerPretrain
from orchestrator.spec.schedule import warmup_cosine
from orchestrator.spec.source import DataSource

Contexts = Callable[..., Any]

STEPS, BATCH = 90, 32
WORLD = {
    "release": 1,
    "seed": 0,
    "seq_len": 64,
    "train_images": 1,
    "val_images": 1,
    "scene_images": 1500,
    "instruction_images": 1,
    "test_images": 1,
    "text_sequences": 1,
    "val_sequences": 1,
    "entities": 16,
    "questions": 6,
}
TOWER = TowerPretrain(
    vision=VisionConfig(encoder=Encoder.CNN, image_size=48, patch_size=16, feature_width=64),
    scenes=DataSource(name="shapeworld/scenes", version="scenes"),
    steps=STEPS,
    batch_images=BATCH,
    schedule=warmup_cosine(peak=4e-3, final=4e-5, warmup=20 * BATCH, length=STEPS * BATCH),
    optimizer=OptimizerConfig(),
    features_of=(),
    seed=0,
)


def test_a_tower_names_what_stands_in_unseen_patches(
    stage_context: Contexts, tmp_path: Path
) -> None:
    make(WORLD, tmp_path / "shapeworld-scenes", lambda _: None)
    context = replace(stage_context(TOWER), data_root=tmp_path)
    (accuracy,) = stages.tower_pretrain(context).measures
    assert accuracy.value is not None
    assert accuracy.baseline is not None
    assert accuracy.n == 150 * 9  # one scene in ten
    assert accuracy.baseline < 0.75  # most patches are empty
    assert accuracy.value >= 0.97


def test_held_out_scenes_are_not_trained_on() -> None:
    labels = np.arange(25)[:, None]
    known, held_out = parted(Scenes(np.zeros((25, 2, 2, 3), np.uint8), labels, 25))
    assert known.labels.ravel().tolist() == list(range(23))
    assert held_out.labels.ravel().tolist() == [23, 24]


@pytest.mark.parametrize("batch", [1, 3, 7])
def test_each_pass_shows_every_scene_once_in_an_order_that_batches_do_not_change(
    batch: int,
) -> None:
    one_by_one = scene_order(10, batch=1, seed=0)
    expected = [int(one_by_one(position)[0]) for position in range(21)]
    batches = scene_order(10, batch=batch, seed=0)
    found = [int(i) for start in range(0, 21, batch) for i in batches(start)]
    assert found[:21] == expected
    assert sorted(expected[:10]) == sorted(expected[10:20]) == list(range(10))
    assert expected[:10] != expected[10:20]
