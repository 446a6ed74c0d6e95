"""LLaVA's format: rows that are not in it are named."""

import json
from pathlib import Path

import pytest

from models.data.conversations import Conversation, read_rows
from orchestrator.errors import DataError


def row(*values: str, image: str | None = None, speakers: str = "hghg") -> dict[str, object]:
    names = {"h": "human", "g": "gpt", "s": "system"}
    turns = [
        {"from": names[speaker], "value": value}
        for speaker, value in zip(speakers, values, strict=False)
    ]
    return {"id": "1", "conversations": turns, **({} if image is None else {"image": image})}


def read(tmp_path: Path, *rows: object) -> list[Conversation | DataError]:
    path = tmp_path / "llava.json"
    path.write_text(json.dumps(rows))
    return read_rows(path)


@pytest.mark.parametrize("first", ["<image>\nwhat?", "what?\n<image>"])
def test_the_placeholder_may_begin_or_end_the_first_turn(tmp_path: Path, first: str) -> None:
    (found,) = read(tmp_path, row(first, "a cat", "why?", "so.", image="images/1.png"))
    expected = (("what?", "a cat"), ("why?", "so."))
    assert found == Conversation(image="images/1.png", turns=expected)


def test_a_row_without_an_image_is_text(tmp_path: Path) -> None:
    (found,) = read(tmp_path, row("what is 1 + 1?", "2"))
    assert found == Conversation(image=None, turns=(("what is 1 + 1?", "2"),))


@pytest.mark.parametrize(
    "bad",
    [
        row("what?", "a", "and?", speakers="hgh"),
        row("a", "what?", speakers="gh"),
        row("be kind", "what?", "a", speakers="shg"),
        row("what?", "a", "b", "c", speakers="hggh"),
        row(),
        row("what?", "a", image="1.png"),
        row("what?", "a", "and?", ""),
        row("what?", " \n"),
        row("", "a"),
        row("<image>\n", "a", image="1.png"),
        row("what?", "half a pair: \ud83d"),
        {**row("<image>\nwhat?", "a"), "image": ["1.png"]},
        {"conversations": [{"from": "human", "value": 7}, {"from": "gpt", "value": "a"}]},
        row("a <image> of what?", "a", image="1.png"),
        row("<image>\n<image>\nwhat?", "a", image="1.png"),
        row("<image>\nwhat?", "a", "<image>\nand?", "b", image="1.png"),
        row("<image>\nwhat?", "a"),
        {"id": "1"},
        {"conversations": "none"},
        {"conversations": [{"from": "human"}]},
        [],
        None,
    ],
)
def test_a_row_that_is_not_in_the_format_is_named(tmp_path: Path, bad: object) -> None:
    before, error, after = read(tmp_path, row("what?", "a"), bad, row("why?", "b"))
    assert isinstance(before, Conversation)
    assert isinstance(after, Conversation)
    assert isinstance(error, DataError)
    assert error.where == f"{tmp_path / 'llava.json'}: row 1"


@pytest.mark.parametrize("content", ["", "[", "{}", "[]", "\x00", "[" * 50_000])
def test_a_file_without_rows_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "llava.json").write_text(content)
    with pytest.raises(DataError) as caught:
        read_rows(tmp_path / "llava.json")
    assert caught.value.where == str(tmp_path / "llava.json")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        read_rows(tmp_path / "llava.json")
