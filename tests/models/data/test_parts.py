"""Indexing whatever a part holds."""

from collections.abc import Callable
from pathlib import Path

import pytest

from models.data.parts import index_part
from orchestrator.errors import DataError


@pytest.mark.parametrize(
    ("name", "indexes"),
    [
        ("text", ("tokens",)),
        ("captions", ("images", "captions")),
        ("scenes", ("images", "scenes")),
        ("instructions", ("instructions",)),
        ("benchmarks", ()),
    ],
)
def test_indexes_are_made_again_as_the_world_was_made(
    world: Path, unindexed: Callable[[str], Path], name: str, indexes: tuple[str, ...]
) -> None:
    folder = unindexed(name)
    assert index_part(folder) == dict.fromkeys(indexes, ())
    made = {path.relative_to(folder): path.read_bytes() for path in folder.rglob("index/*/*")}
    original = world / name
    assert made == {p.relative_to(original): p.read_bytes() for p in original.rglob("index/*/*")}


def test_a_damaged_part_gets_no_index(unindexed: Callable[[str], Path]) -> None:
    folder = unindexed("text")
    shard = folder / "00000001.tar"
    shard.write_bytes(shard.read_bytes()[:5000])
    with pytest.raises(DataError):
        index_part(folder)
    assert not (folder / "index").exists()
