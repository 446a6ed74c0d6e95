"""A tiny world made once, and a way to damage copies of it."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from models.data.shapeworld import make

OPTIONS: dict[str, object] = {
    "release": 1,
    "seed": 3,
    "seq_len": 64,
    "train_images": 70,
    "val_images": 10,
    "scene_images": 20,
    "instruction_images": 30,
    "text_rows": 10,
    "test_images": 25,
    "text_sequences": 60,
    "val_sequences": 7,
    "entities": 40,
    "questions": 60,
    "shard_samples": 25,
}


@pytest.fixture(scope="session")
def options() -> dict[str, object]:
    return dict(OPTIONS)


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole shapeworld; its tests only read it. The path has a space and a quote."""
    folder = tmp_path_factory.mktemp("data root's") / "shapeworld-0123"
    make(OPTIONS, folder, [].append)
    return folder


@pytest.fixture
def part(world: Path, tmp_path: Path) -> Callable[[str], Path]:
    """Copies one part of the world, with the tokenizer, to where it may be damaged."""

    def copied(name: str) -> Path:
        collection = tmp_path / world.name
        collection.mkdir(exist_ok=True)
        shutil.copy(world / "tokenizer.json", collection)
        shutil.copytree(world / name, collection / name)
        return collection / name

    return copied


@pytest.fixture
def unindexed(part: Callable[[str], Path]) -> Callable[[str], Path]:
    """Copies one part without its index, so that opening it reads the published files."""

    def copied(name: str) -> Path:
        folder = part(name)
        shutil.rmtree(folder / "index", ignore_errors=True)
        return folder

    return copied
