"""Scenes for the vision tower: pixels with the class of each patch."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from models.data.images import open_images
from models.data.scenes import open_scenes
from models.data.shapeworld.scene import CLASSES
from models.data.tars import Sample, read_samples, tar_files, write_samples
from orchestrator.errors import DataError


def test_labels_and_pixels_are_those_of_the_files(
    world: Path, unindexed: Callable[[str], Path]
) -> None:
    (file,) = tar_files(world / "scenes")
    labels = [json.loads(sample.fields["json"])["patches"] for sample in read_samples(file)]
    images = open_images(world / "scenes")
    for folder in (world / "scenes", unindexed("scenes")):
        scenes = open_scenes(folder, 9)
        assert scenes.labels.tolist() == labels
        assert scenes.classes == CLASSES
        assert scenes.pixels.shape == (20, 48, 48, 3)
        assert all((scenes.pixels[i] == images.pixels(i)).all() for i in range(20))


def test_another_number_of_patches_is_refused(world: Path) -> None:
    with pytest.raises(DataError, match="9 patches, the tower 4"):
        open_scenes(world / "scenes", 4)


@pytest.mark.parametrize(
    "label",
    [b"{}", b"[]", b"{", b'{"patches": [25], "classes": 25}', b'{"patches": 1, "classes": 25}'],
)
def test_a_scene_that_says_too_little_is_named(
    unindexed: Callable[[str], Path], label: bytes
) -> None:
    folder = unindexed("scenes")
    (file,) = tar_files(folder)
    first = next(read_samples(file))
    write_samples(folder / "bad.tar", [Sample("x", {**first.fields, "json": label})])
    with pytest.raises(DataError) as caught:
        open_scenes(folder, 9)
    assert caught.value.where == f"{folder / 'bad.tar'}: x"


def test_scenes_of_several_sizes_are_refused(unindexed: Callable[[str], Path]) -> None:
    folder = unindexed("scenes")
    (file,) = tar_files(folder)
    first = next(read_samples(file))
    label = json.dumps({"patches": [0, 1], "classes": 25}).encode()
    write_samples(folder / "other.tar", [Sample("x", {**first.fields, "json": label})])
    with pytest.raises(DataError, match="2 different sizes"):
        open_scenes(folder, 9)
