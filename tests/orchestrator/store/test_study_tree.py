"""Includes, and files that were made to do harm."""

from pathlib import Path

import pytest

from orchestrator.errors import SweepError
from orchestrator.store.study_tree import read_tree


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    return folder / "a.yaml"


def test_includes_of_includes_come_first_and_the_file_itself_last(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        a="include: b.yaml\nx: a\n",
        b="include: [c.yaml, d.yaml]\nx: b\ny: b\n",
        c="x: c\ny: c\nz: c\n",
        d="z: d\nw: d\n",
    )
    tree = read_tree(path, ("w=set",))
    assert {key: tree[key] for key in "xyzw"} == {"x": "a", "y": "b", "z": "d", "w": "set"}


@pytest.mark.parametrize(
    "files",
    [
        {"a": "include: a.yaml\n"},
        {"a": "include: b.yaml\n", "b": "include: [c.yaml]\n", "c": "include: ../%s/a.yaml\n"},
    ],
)
def test_a_file_that_includes_itself_is_refused(files: dict[str, str], tmp_path: Path) -> None:
    files = {name: text % tmp_path.name if "%s" in text else text for name, text in files.items()}
    with pytest.raises(SweepError) as caught:
        read_tree(write(tmp_path, **files))
    assert "includes itself: a.yaml" in caught.value.what


@pytest.mark.parametrize("name", ["missing.yaml", "{x: 1}", "3"])
def test_an_include_that_is_no_file_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(SweepError):
        read_tree(write(tmp_path, a=f"include: [{name}]\nx: 1\n"))


def test_anchors_within_anchors_are_refused_before_they_are_written_out(tmp_path: Path) -> None:
    lines = ["l0: &l0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 9)}]" for i in range(1, 12)]
    with pytest.raises(SweepError) as caught:
        read_tree(write(tmp_path, a="\n".join(lines)))
    assert "anchors" in caught.value.what


def test_an_anchor_within_itself_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SweepError):
        read_tree(write(tmp_path, a="x: &x [1, *x]\n"))


def test_ordinary_anchors_are_fine(tmp_path: Path) -> None:
    tree = read_tree(write(tmp_path, a="x: &x {a: 1}\ny: {<<: *x, b: 2}\n"))
    assert tree["y"] == {"a": 1, "b": 2}
