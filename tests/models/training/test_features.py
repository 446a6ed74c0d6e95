"""Features are the same, whether they were stored, computed or remembered."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from models import stages
from models.architecture.tower import patches
from models.data.images import open_images
from models.training import features
from models.training.features import Memo, PixelFeatures, open_features, resized, stored_file
from orchestrator.errors import RecordError
from orchestrator.spec.identity import run_id
from orchestrator.spec.model import Encoder, VisionConfig
from orchestrator.spec.optimizer import OptimizerConfig
from orchestrator.spec.run import TowerPretrain
from orchestrator.spec.schedule import warmup_cosine
from orchestrator.spec.source import DataSource

Contexts = Callable[..., Any]

CNN = VisionConfig(encoder=Encoder.CNN, image_size=48, patch_size=16, feature_width=32)
PATCH = VisionConfig(encoder=Encoder.PATCH, image_size=48, patch_size=16, feature_width=768)
STORED = DataSource(name="shapeworld/captions", version="tiny")
OTHER = DataSource(name="shapeworld/instructions", version="tiny")
TOWER = TowerPretrain(
    vision=CNN,
    scenes=DataSource(name="shapeworld/scenes", version="tiny"),
    steps=2,
    batch_images=8,
    schedule=warmup_cosine(peak=3e-3, final=1e-5, warmup=8, length=16),
    optimizer=OptimizerConfig(),
    features_of=(STORED,),
    seed=0,
)
INDICES = np.array([5, 0, 5, 39])


@pytest.fixture
def context(stage_context: Contexts) -> Any:
    made = stage_context(TOWER)
    stages.tower_pretrain(made)
    return made


def test_stored_features_are_those_the_tower_computes(context: Any) -> None:
    stored = open_features(context, STORED, CNN, run_id(TOWER))(INDICES)
    stored_file(context.folder, STORED).unlink()
    computed = open_features(context, STORED, CNN, run_id(TOWER))(INDICES)
    assert stored.shape == (4, 9, 32)
    torch.testing.assert_close(stored, computed)


def test_features_of_other_data_are_computed_when_asked_for(context: Any) -> None:
    assert not stored_file(context.folder, OTHER).exists()
    found = open_features(context, OTHER, CNN, run_id(TOWER))(np.array([1, 11]))
    assert found.shape == (2, 9, 32)
    assert not found.requires_grad


def test_what_is_asked_with_an_image_changes_no_bit_of_its_features(context: Any) -> None:
    indices = np.arange(12)
    whole = open_features(context, OTHER, CNN, run_id(TOWER))(indices)
    for size in (1, 3, 5):
        some = open_features(context, OTHER, CNN, run_id(TOWER))
        parts = [some(indices[start : start + size]) for start in range(0, 12, size)]
        assert torch.equal(torch.cat(parts), whole)


@pytest.mark.parametrize("vision", [PATCH, replace(CNN, frozen=False)])
def test_without_a_frozen_tower_features_are_pixels(context: Any, vision: VisionConfig) -> None:
    images = open_images(context.data(STORED))
    pixels = np.stack([images.pixels(int(index)) for index in INDICES])
    found = open_features(context, STORED, vision, None)(INDICES)
    assert torch.equal(found, patches(pixels, 16))


def test_stored_features_of_another_shape_are_refused(context: Any) -> None:
    path = stored_file(context.folder, STORED)
    np.save(path, np.zeros((40, 9, 16), dtype=np.float32))
    with pytest.raises(RecordError) as caught:
        open_features(context, STORED, CNN, run_id(TOWER))
    assert caught.value.where == str(path)


def test_stored_features_of_fewer_images_than_there_are_now_are_refused(context: Any) -> None:
    path = stored_file(context.folder, STORED)
    np.save(path, np.load(path)[:-1])
    with pytest.raises(RecordError, match="39 images are stored, but there are 40"):
        open_features(context, STORED, CNN, run_id(TOWER))


def test_images_of_another_size_are_squashed_to_the_tower_s() -> None:
    white = np.full((30, 60, 3), 255, dtype=np.uint8)
    assert np.array_equal(resized(white, 48), np.full((48, 48, 3), 255, dtype=np.uint8))


def test_an_image_of_the_right_size_is_left_as_it_is() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (48, 48, 3), dtype=np.uint8)
    assert resized(pixels, 48) is pixels


@pytest.mark.parametrize("room", [0, 40, 10**6])
def test_what_is_remembered_is_what_was_computed(
    monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    monkeypatch.setattr(features, "MEMO_BYTES", room)  # none, two images, all
    asked: list[int] = []

    def compute(indices: NDArray[np.int64]) -> Tensor:
        asked.extend(indices.tolist())
        return torch.from_numpy(indices)[:, None, None].float().expand(-1, 1, 5).clone()

    memo = Memo(compute)
    for wanted in ([3, 1, 3], [1, 2, 7], [7, 3]):
        assert memo(np.array(wanted))[:, 0, 0].tolist() == wanted
    again = {0: [3, 1, 1, 2, 7, 7, 3], 40: [3, 1, 2, 7, 7], 10**6: [3, 1, 2, 7]}
    assert asked == again[room]


def test_several_threads_decode_what_one_does(world: Path) -> None:
    images = open_images(world / "shapeworld-tiny" / "captions")
    vision = VisionConfig(encoder=Encoder.PATCH, image_size=24, patch_size=8, feature_width=192)
    indices = np.array([3, 0, 3, 7, 1], dtype=np.int64)
    one, three = (PixelFeatures(images, vision, threads) for threads in (1, 3))
    assert torch.equal(three(indices), one(indices))
