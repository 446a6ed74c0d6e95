"""A world as it lies on disk: complete, reproducible, its parts disjoint."""

import json
from collections.abc import Iterator
from functools import cache
from itertools import combinations, count
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from models.data.images import open_images
from models.data.instructions import InstructionData
from models.data.pretraining import PretrainingData
from models.data.scenes import open_scenes
from models.data.shapeworld import make
from models.data.shapeworld.config import RELEASE
from models.data.shapeworld.render import render
from models.data.shapeworld.scene import THINGS, Scene, Thing
from orchestrator.errors import ConfigError, DataError

PICTURED = ("captions", "captions_val", "scenes", "instructions", "benchmarks")


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def quiet(line: str) -> None:
    del line


def test_the_same_options_give_the_same_bytes(
    world: Path, options: dict[str, object], tmp_path: Path
) -> None:
    make(options, tmp_path / "again", quiet)
    one, other = files(world), files(tmp_path / "again")
    assert sorted(one) == sorted(other)
    assert [name for name, content in one.items() if content != other[name]] == []


def test_another_seed_gives_another_world(
    world: Path, options: dict[str, object], tmp_path: Path
) -> None:
    make({**options, "seed": 4}, tmp_path / "other", quiet)
    one, other = files(world), files(tmp_path / "other")
    assert len(one) == len(other)
    for suffix in (".tar", ".png", "llava.json", ".jsonl", "_vqa.json"):
        names = [name for name in one if name.endswith(suffix) and "manifest" not in name]
        assert names
        assert [name for name in names if one[name] == other[name]] == []


def test_parts_share_no_image(world: Path) -> None:
    pixels: dict[str, set[bytes]] = {}
    for part in PICTURED:
        images = open_images(world / part)
        pixels[part] = {images.pixels(index).tobytes() for index in range(len(images))}
        assert len(pixels[part]) == len(images)
    for one, other in combinations(PICTURED, 2):
        assert not pixels[one] & pixels[other]


def test_parts_share_no_scene(world: Path) -> None:
    """Scenes are read off the pixels: the mean colour and the area of what stands in each cell."""
    scenes = {part: set(map(seen, all_pixels(world / part))) for part in PICTURED}
    known = open_scenes(world / "scenes", 9)
    written = {bytes(labels.astype(np.uint8)) for labels in known.labels}
    assert len(scenes["scenes"]) == len(written)  # what is read off tells scenes apart
    for one, other in combinations(PICTURED, 2):
        assert not scenes[one] & scenes[other]


def all_pixels(part: Path) -> Iterator[np.ndarray]:
    images = open_images(part)
    return (images.pixels(index) for index in range(len(images)))


def seen(pixels: np.ndarray) -> tuple[tuple[str, str] | None, ...]:
    """Recognise colour and shape in each cell by comparing it with all that could stand there."""
    cells = pixels.reshape(3, 16, 3, 16, 3).swapaxes(1, 2).reshape(9, 16, 16, 3).astype(int)
    return tuple(recognised(cell) for cell in cells)


def recognised(cell: np.ndarray) -> tuple[str, str] | None:
    """Crop a cell to what stands in it and take the nearest colour and shape."""
    rows, columns = np.nonzero(cell.max(axis=2) > 90)
    if len(rows) == 0:
        return None
    crop = cell[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    drawn = [(thing, template(thing, len(crop))) for thing in THINGS[0]]
    best = min(drawn, key=lambda pair: np.abs(pair[1] - crop).sum())[0]
    return best.colour, best.shape


@cache
def template(thing: Thing, side: int) -> np.ndarray:
    """Draw a thing until it comes out with this side, cropped."""
    for seed in count():
        picture = render(Scene((thing,)), 48, Random(seed), np.random.default_rng(0))
        left, top, right, bottom = picture.boxes[0]
        if right - left == side:
            return picture.pixels[top:bottom, left:right].astype(int)
    raise AssertionError("both sides are drawn sooner or later")


def test_everything_opens(world: Path, options: dict[str, Any]) -> None:
    data = PretrainingData(
        world / "text", world / "captions", seq_len=64, image_tokens=9, image_ratio=0.5, seed=0
    )
    assert data.batch(0, 4).ids.shape == (4, 64)
    instructions = InstructionData(world / "instructions", seq_len=64, image_tokens=9, seed=0)
    assert len(instructions) == options["instruction_images"] + options["text_rows"]
    assert instructions.truncated == 0
    assert len(open_scenes(world / "scenes", 9).labels) == options["scene_images"]
    index = json.loads((world / "benchmarks" / "benchmarks.json").read_text())
    images = open_images(world / "benchmarks")
    for entry in index.values():
        rows = json.loads((world / "benchmarks" / entry["index"]).read_text())
        assert len(rows) == options["questions"]
        assert all(images.index(row["img_path"]) < len(images) for row in rows.values())
    tasks = sorted(path.name for path in (world / "benchmarks" / "tasks").iterdir())
    names = ("shapeworld_facts", "shapeworld_scenes", "shapeworld_sums")
    assert tasks == sorted(f"{name}.{suffix}" for name in names for suffix in ("jsonl", "yaml"))


@pytest.mark.parametrize("seq_len", [48, 64, 128])
def test_rows_of_instructions_fit_in_the_sequence_that_they_were_made_for(
    options: dict[str, object], tmp_path: Path, seq_len: int
) -> None:
    make({**options, "seq_len": seq_len, "instruction_images": 120}, tmp_path / "world", quiet)
    folder = tmp_path / "world" / "instructions"
    data = InstructionData(folder, seq_len=seq_len, image_tokens=9, seed=0)
    assert data.truncated == 0
    assert data.batch(0, len(data)).ids.shape[1] > 0.8 * seq_len


def test_what_was_made_is_written_down(world: Path, options: dict[str, object]) -> None:
    record = json.loads((world / "dataset.json").read_text())
    assert record["recipe"] == "shapeworld"
    assert options.items() <= record["options"].items()
    assert record["options"]["release"] == RELEASE
    assert record["counts"]["vocabulary"] <= 512
    assert record["counts"]["text_tokens"] == 60 * 64


def test_a_complete_world_is_left_as_it_is(world: Path, options: dict[str, object]) -> None:
    before = {path: path.stat().st_mtime_ns for path in world.rglob("*")}
    lines: list[str] = []
    make(options, world, lines.append)
    assert lines == []
    assert {path: path.stat().st_mtime_ns for path in world.rglob("*")} == before


def test_a_maker_that_dies_leaves_no_folder(options: dict[str, object], tmp_path: Path) -> None:
    class Killed(BaseException):
        pass

    for part in ("captions", "instructions", "indexing scenes"):

        def die(line: str, part: str = part) -> None:
            if part in line:
                raise Killed

        with pytest.raises(Killed):
            make(options, tmp_path / "world", die)
        assert list(tmp_path.iterdir()) == []


def test_another_maker_that_was_faster_wins(options: dict[str, object], tmp_path: Path) -> None:
    folder = tmp_path / "world"

    def race(line: str) -> None:
        if line == "indexing instructions":
            make(options, folder, quiet)

    make(options, folder, race)
    assert [path.name for path in tmp_path.iterdir()] == ["world"]
    assert (folder / "dataset.json").is_file()


def test_a_folder_with_something_else_is_not_touched(
    options: dict[str, object], tmp_path: Path
) -> None:
    (tmp_path / "world").mkdir()
    (tmp_path / "world" / "mine.txt").write_text("keep")
    with pytest.raises(DataError) as caught:
        make(options, tmp_path / "world", quiet)
    assert caught.value.where == str(tmp_path / "world")
    assert [path.name for path in (tmp_path / "world").iterdir()] == ["mine.txt"]


def test_options_are_checked_before_anything_is_written(
    options: dict[str, object], tmp_path: Path
) -> None:
    with pytest.raises(ConfigError):
        make({**options, "colours": 9}, tmp_path / "deep" / "world", quiet)
    assert list(tmp_path.iterdir()) == []
