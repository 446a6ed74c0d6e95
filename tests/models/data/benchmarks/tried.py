"""Ways to try a preparation: with a change in its files, and refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from models.data.benchmarks import prepare
from orchestrator.errors import DataError

Write = Callable[[str, Path], Path]
PARTIAL: dict[str, object] = {"partial": True}


def told(_: str) -> None:
    """Nobody listens."""


def edit(path: Path, change: Callable[[Any], object]) -> None:
    """Change a JSON file, or each line of one, in place."""
    if path.suffix == ".jsonl" or path.name.startswith("coco_pope"):
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        change(lines)
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    else:
        value = json.loads(path.read_text())
        change(value)
        path.write_text(json.dumps(value))


def refused(name: str, folder: Path, part: Path, **options: object) -> DataError:
    """Return why a data set is refused; nothing is declared then."""
    with pytest.raises(DataError) as caught:
        prepare(name, folder, part, {**PARTIAL, **options}, told)
    assert not (part / "benchmarks.json").exists()
    return caught.value
