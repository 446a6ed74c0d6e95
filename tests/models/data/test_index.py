"""An index is a cache: used while it fits the data, left aside otherwise."""

from pathlib import Path

import numpy as np
import pytest

from models.data.index import Arrays, Index, fingerprints


class Counting:
    """A reader that counts how often it reads."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> Arrays:
        self.calls += 1
        return {"numbers": np.arange(5), "words": np.array(["a", "bc"])}


def index(folder: Path, build: Counting, stamp: str = "1") -> Index:
    return Index(folder=folder, name="test", stamp={"file": stamp}, build=build)


def test_a_written_index_is_used_and_gives_the_same_arrays(tmp_path: Path) -> None:
    index(tmp_path, Counting()).write()
    build = Counting()
    arrays = index(tmp_path, build).arrays()
    assert build.calls == 0
    assert arrays["numbers"].tolist() == [0, 1, 2, 3, 4]
    assert arrays["words"].tolist() == ["a", "bc"]


def test_without_an_index_the_data_are_read(tmp_path: Path) -> None:
    build = Counting()
    assert index(tmp_path, build).arrays()["numbers"].tolist() == [0, 1, 2, 3, 4]
    assert build.calls == 1
    assert list(tmp_path.iterdir()) == []


def test_an_index_of_other_data_is_left_aside(tmp_path: Path) -> None:
    index(tmp_path, Counting(), stamp="1").write()
    build = Counting()
    index(tmp_path, build, stamp="2").arrays()
    assert build.calls == 1


@pytest.mark.parametrize("name", ["stamp.json", "numbers.npy"])
@pytest.mark.parametrize("keep", [None, 0, 40])
def test_a_damaged_index_is_left_aside(tmp_path: Path, name: str, keep: int | None) -> None:
    index(tmp_path, Counting()).write()
    path = tmp_path / "index" / "test" / name
    if keep is None:
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:keep])
    build = Counting()
    assert index(tmp_path, build).arrays()["numbers"].tolist() == [0, 1, 2, 3, 4]
    assert build.calls == 1


def test_writing_again_replaces_the_index_and_leaves_nothing_behind(tmp_path: Path) -> None:
    index(tmp_path, Counting(), stamp="1").write()
    index(tmp_path, Counting(), stamp="2").write()
    build = Counting()
    index(tmp_path, build, stamp="2").arrays()
    assert build.calls == 0
    assert [path.name for path in (tmp_path / "index").iterdir()] == ["test"]


def test_fingerprints_follow_the_content_of_files_of_one_size(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    found: set[str] = set()
    for content in (b"a" * 100_000, b"b" * 100_000, b"a" * 100_001, b""):
        path.write_bytes(content)
        assert fingerprints([path]) == fingerprints([path])
        found.add(str(fingerprints([path])))
    assert len(found) == 4


def test_a_slow_reading_without_an_index_says_how_to_write_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    index(tmp_path, Counting()).arrays()
    assert caplog.records == []
    monkeypatch.setattr("models.data.index.LONG_SECONDS", -1.0)
    index(tmp_path, Counting()).arrays()
    assert [str(tmp_path) in record.getMessage() for record in caplog.records] == [True]
    index(tmp_path, Counting()).write()
    index(tmp_path, Counting()).arrays()
    assert len(caplog.records) == 1
