"""The tokenizer of a collection: special ids are what the models expect, or it is refused."""

import json
from pathlib import Path

import pytest

from models.data.tokenizer import END_OF_TEXT, IMAGE, PADDING, load_tokenizer
from orchestrator.errors import DataError


def test_special_tokens_have_the_ids_that_every_data_set_shares(world: Path) -> None:
    tokenizer = load_tokenizer(world)
    ids = tokenizer.encode("<|endoftext|><|padding|>", add_special_tokens=False).ids
    assert ids == [END_OF_TEXT, PADDING] == [0, 1]


def test_no_tokenizer_has_the_id_of_an_image() -> None:
    assert IMAGE < 0


def test_a_missing_tokenizer_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        load_tokenizer(tmp_path)
    assert caught.value.where == str(tmp_path / "tokenizer.json")


def test_a_damaged_tokenizer_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text('{"version": "1.0"')
    with pytest.raises(DataError, match="cannot be read"):
        load_tokenizer(tmp_path)


def test_special_tokens_with_other_ids_are_refused(world: Path, tmp_path: Path) -> None:
    content = json.loads((world / "tokenizer.json").read_text())
    vocabulary = content["model"]["vocab"]
    padding = "<|padding|>"
    vocabulary[padding], vocabulary["the"] = vocabulary["the"], vocabulary[padding]
    content["added_tokens"] = []
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"<\|padding\|> has id"):
        load_tokenizer(tmp_path)


def test_a_file_that_cuts_or_pads_texts_does_neither_here(world: Path, tmp_path: Path) -> None:
    plain = load_tokenizer(world)
    cutting = load_tokenizer(world)
    cutting.enable_truncation(2)
    cutting.enable_padding(pad_id=PADDING, pad_token="<|padding|>", length=9)
    (tmp_path / "tokenizer.json").write_text(cutting.to_str())
    found = load_tokenizer(tmp_path)
    texts = ["the red circle is at the top", "the"]
    expected = [one.ids for one in plain.encode_batch(texts)]
    assert [one.ids for one in found.encode_batch(texts)] == expected
    assert [found.encode(text).ids for text in texts] == expected
