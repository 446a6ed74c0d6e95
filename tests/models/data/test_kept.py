"""A filter's table says which captions are kept, and is not believed when damaged."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq  # pyright: ignore[reportMissingTypeStubs]  (it ships no types)
import pytest

from models.data.kept import TABLE, Scores, kept_folder, read_kept, write_scores
from orchestrator.errors import RecordError
from orchestrator.spec.source import DataSource
from orchestrator.store.layout import RunFolder

SOURCE = DataSource(name="shapeworld/captions", version="tiny")
SCORES = Scores(
    tokens=np.array([3, 1, 4]),
    nats=np.array([0.5, 0.0, 2.0]),
    kept=np.array([True, False, True]),
)


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    folder = RunFolder(tmp_path / "a run")
    write_scores(folder, SOURCE, ["a", "b", "c"], SCORES)
    return folder


def test_what_was_kept_is_read(run: RunFolder) -> None:
    kept = read_kept(run, SOURCE)
    assert kept.numbers.tolist() == [0, 2]
    assert kept.of == 3


def test_the_table_has_a_line_for_each_caption(run: RunFolder) -> None:
    rows = pq.read_table(kept_folder(run) / TABLE).to_pylist()
    assert rows[2] == {
        "sample": 2,
        "image": "c",
        "tokens": 4,
        "nats_per_token": 2.0,
        "perplexity": float(np.exp(2.0)),
        "kept": True,
    }
    assert [row["kept"] for row in rows] == [True, False, True]


def test_equal_scores_give_equal_bytes(run: RunFolder, tmp_path: Path) -> None:
    other = RunFolder(tmp_path / "another")
    write_scores(other, SOURCE, ["a", "b", "c"], SCORES)
    for path in kept_folder(run).iterdir():
        assert path.read_bytes() == (kept_folder(other) / path.name).read_bytes()


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[40] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [cut_off, flip_a_bit, Path.unlink])
def test_a_damaged_table_is_named(run: RunFolder, damage: Callable[[Path], None]) -> None:
    damage(kept_folder(run) / TABLE)
    with pytest.raises(RecordError) as caught:
        read_kept(run, SOURCE)
    assert caught.value.where == str(kept_folder(run) / TABLE)


def test_a_run_without_a_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordError) as caught:
        read_kept(RunFolder(tmp_path), SOURCE)
    assert caught.value.where.startswith(str(kept_folder(RunFolder(tmp_path))))


@pytest.mark.parametrize("change", [{"name": "shapeworld/captions_val"}, {"version": "other"}])
def test_a_table_of_other_captions_is_refused(run: RunFolder, change: dict[str, str]) -> None:
    other = DataSource(**{"name": SOURCE.name, "version": SOURCE.version, **change})
    with pytest.raises(RecordError, match="has scored shapeworld/captions at tiny"):
        read_kept(run, other)
