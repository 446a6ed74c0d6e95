"""Every fault of LLaVA's rows is found, and named by its row."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.data.checking import check
from models.data.conversations import read_rows
from models.data.instructions import instruction_index
from models.data.tars import Sample, write_samples
from orchestrator.errors import DataError


def found(path: Path) -> list[tuple[int | None, str]]:
    findings = list(check(path, {}))
    assert all(finding["mend"] for finding in findings)
    return [(f["index"], str(f["what"])) for f in findings]  # pyright: ignore[reportReturnType]  (a finding's index is a number or None)


def turns(*texts: tuple[str, str]) -> list[dict[str, str]]:
    return [{"from": speaker, "value": text} for speaker, text in texts]


H, G = "human", "gpt"


@pytest.fixture
def folder(part: Callable[[str], Path]) -> Path:
    return part("instructions")


def with_row(folder: Path, number: int, row: object) -> Path:
    path = folder / "llava.json"
    rows = json.loads(path.read_text())
    rows[number] = row
    path.write_text(json.dumps(rows))
    return path


def with_turns(folder: Path, number: int, conversations: Any) -> Path:
    rows = json.loads((folder / "llava.json").read_text())
    return with_row(folder, number, {**rows[number], "conversations": conversations})


TEXT_ROW, IMAGE_ROW = 39, 4


def test_nothing_is_found_where_nothing_is_wrong(folder: Path) -> None:
    assert found(folder) == found(folder / "llava.json") == []


@pytest.mark.parametrize(
    ("said", "what"),
    [
        (turns((H, "a"), (H, "b"), (G, "c")), "turns 0 and 1 are both from human"),
        (turns((H, "a"), (G, "b"), (G, "c")), "turns 1 and 2 are both from gpt"),
        (turns((H, "a"), (G, " \n")), "the answer in turn 1 is empty"),
        (turns((H, ""), (G, "b")), "the question in turn 0 is empty"),
        (turns((G, "a"), (H, "b")), "the first turn is from gpt, the last from human"),
        (turns((H, "a")), "the first turn is from human, the last from human"),
        (turns((H, "a"), ("bot", "b"), (H, "c"), (G, "d")), "a turn is from 'bot'"),
        (turns((H, "<image>\na"), (G, "b")), "<image> stands in a row that names no image"),
        ([], "the row is not in LLaVA's format"),
        (7, "the row is not in LLaVA's format"),
        ([{"from": H}], "the row is not in LLaVA's format"),
        ([{"from": H, "value": 3}], "the row is not in LLaVA's format"),
    ],
)
def test_faults_of_turns_are_found(folder: Path, said: Any, what: str) -> None:
    path = with_turns(folder, TEXT_ROW, said)
    assert found(folder) == [(TEXT_ROW, what)]
    left_out = [error for error in read_rows(path) if isinstance(error, DataError)]
    assert [error.where for error in left_out] == [f"{path}: row {TEXT_ROW}"]


@pytest.mark.parametrize(
    ("said", "what"),
    [
        (turns((H, "a"), (G, "b")), "the first turn neither begins nor ends with <image>"),
        (turns((H, "<image>\na <image> b"), (G, "b")), "<image> stands there 2 times"),
        (turns((H, "<image>\n"), (G, "b")), "the question in turn 0 is empty"),
    ],
)
def test_faults_of_the_placeholder_are_found(folder: Path, said: Any, what: str) -> None:
    with_turns(folder, IMAGE_ROW, said)
    assert found(folder) == [(IMAGE_ROW, what)]


@pytest.mark.parametrize("row", [7, None, [], {}, {"conversations": None}])
def test_what_is_no_row_is_found(folder: Path, row: object) -> None:
    with_row(folder, IMAGE_ROW, row)
    assert found(folder) == [(IMAGE_ROW, "the row is not in LLaVA's format")]


def test_images_that_are_missing_damaged_or_no_path_are_found(folder: Path) -> None:
    rows = json.loads((folder / "llava.json").read_text())
    image = rows[IMAGE_ROW]["image"]
    (folder / image).write_bytes((folder / image).read_bytes()[:60])
    (folder / rows[1]["image"]).unlink()
    with_row(folder, 2, {**rows[2], "image": 7})
    with_row(folder, 3, {**rows[3], "image": "images/a.gif"})
    findings = dict(found(folder))
    assert list(findings) == [1, 2, 3, IMAGE_ROW]
    assert findings[1] == f"there is no image {rows[1]['image']}"
    assert findings[2] == "its image is 7, no path"
    assert findings[3].startswith("image images/a.gif is not one of")
    assert findings[IMAGE_ROW].startswith(f"{image}: the image cannot be decoded")


def test_images_in_tar_files_are_looked_for_there(folder: Path, tmp_path: Path) -> None:
    rows = json.loads((folder / "llava.json").read_text())[:2]
    packed = tmp_path / "packed"
    packed.mkdir()
    content = (folder / rows[0]["image"]).read_bytes()
    write_samples(packed / "0.tar", [Sample("one", {"png": content}), Sample("two", {"png": b""})])
    rows = [{**rows[0], "image": name} for name in ("one", "two", "three")]
    (packed / "llava.json").write_text(json.dumps(rows))
    (two, what), (three, missing) = found(packed)
    assert (two, three) == (1, 2)
    assert what.startswith("two: the image cannot be decoded")
    assert missing == "there is no image three in the tar files"


@pytest.mark.parametrize("text", ["{", "{}", "[]", "[" * 50_000, "\udcff"])
def test_a_file_of_no_rows_is_found(folder: Path, text: str) -> None:
    (folder / "llava.json").write_text(text, encoding="utf-8", errors="surrogateescape")
    findings = found(folder)
    assert [index for index, _ in findings] == [None]


IMAGE = "images/instruction_000001.png"

pieces = st.sampled_from(
    ["", " ", "a", "<image>", "<image>\na", "a\n<image>", "\ud83d", "b <image> c"]
)
speakers = st.sampled_from([H, G, "system", 7, None])
said = st.fixed_dictionaries({"from": speakers, "value": pieces | st.sampled_from([None, 7])})


def spoken(texts: list[str]) -> list[dict[str, str]]:
    return turns(*((G if number % 2 else H, text) for number, text in enumerate(texts)))


conversations = st.lists(pieces, max_size=4).map(spoken) | st.lists(said, max_size=3)
images = st.sampled_from([IMAGE, "images/none.png", 7, ["a"], None, ""])
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | pieces,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["image", "conversations", "from", "value"]), inner)
    ),
    max_leaves=6,
)
rows_of_any_kind = anything | st.fixed_dictionaries(
    {"conversations": conversations}, optional={"image": images}
)


@settings(max_examples=300, deadline=None)
@given(rows_of_any_kind)
def test_a_check_finds_the_rows_that_training_leaves_out_and_no_other(
    world: Path, tmp_path_factory: pytest.TempPathFactory, row: object
) -> None:
    collection = tmp_path_factory.mktemp("any") / "any-1"
    folder = collection / "instructions"
    (folder / "images").mkdir(parents=True)
    shutil.copy(world / "tokenizer.json", collection)
    shutil.copy(world / "instructions" / IMAGE, folder / IMAGE)
    good = {"conversations": turns((H, "a"), (G, "b"))}
    (folder / "llava.json").write_text(json.dumps([good, row]))
    arrays = instruction_index(folder).arrays()
    left_out = {place.rpartition(" ")[2] for place in arrays["bad_places"].tolist()}
    assert left_out == {str(index) for index, _ in found(folder)}
