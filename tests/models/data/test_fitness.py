"""Data that do not fit the model, or one another, are refused before anything is trained."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from models.data.fitness import check_ids
from models.data.pretraining import PretrainingData
from models.data.tokenizer import load_tokenizer
from models.data.tokenizing import tokenize
from orchestrator.errors import DataError

T, P = 64, 9


@pytest.mark.parametrize("shape", [(6,), (3, 2)])
@pytest.mark.parametrize("largest", [None, 5])
def test_the_first_id_beyond_the_vocabulary_is_named(
    shape: tuple[int, ...], largest: int | None
) -> None:
    ids = np.arange(6).reshape(shape)
    check_ids(ids, 6, str, largest)
    check_ids(ids, None, str, largest)
    with pytest.raises(DataError) as caught:
        check_ids(ids, 3, "row {}".format, largest)
    assert caught.value.what == "id 3 is beyond the vocabulary of 3"
    assert caught.value.where == f"row {3 if shape == (6,) else 1}"


def test_no_id_is_beyond_a_vocabulary() -> None:
    check_ids(np.zeros(0, np.uint16), 1, str)


def opened(text: Path, captions: Path, image_ratio: float = 0.5) -> PretrainingData:
    return PretrainingData(
        text, captions, seq_len=T, image_tokens=P, image_ratio=image_ratio, seed=0
    )


def with_another_tokenizer(collection: Path) -> None:
    tokenizer = load_tokenizer(collection)
    tokenizer.add_tokens(["another"])
    tokenizer.save(str(collection / "tokenizer.json"))


def test_text_and_captions_of_different_tokenizers_are_refused(
    part: Callable[[str], Path], world: Path
) -> None:
    captions = part("captions")
    opened(world / "text", captions)
    with_another_tokenizer(captions.parent)
    with pytest.raises(DataError, match="captions has another tokenizer") as caught:
        opened(world / "text", captions)
    assert caught.value.where == str(captions.parent / "tokenizer.json")
    opened(world / "text", captions, image_ratio=0.0)  # which reads no caption


def test_shards_that_were_made_with_another_tokenizer_than_the_collections_are_refused(
    world: Path, tmp_path: Path
) -> None:
    collection = tmp_path / "a collection's-1"
    collection.mkdir()
    shutil.copy(world / "tokenizer.json", collection)
    lines = [json.dumps({"text": "red circle " * 70}) for _ in range(9)]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    out = collection / "text"
    options = {"seq_len": T}
    tokenize([tmp_path / "a.jsonl"], collection / "tokenizer.json", out, options, [].append)
    opened(out, world / "captions")
    with_another_tokenizer(collection)
    with pytest.raises(DataError, match="text has another tokenizer") as caught:
        opened(out, world / "captions")
    assert caught.value.where == str(collection / "tokenizer.json")
    assert str(out / "tokenize.json") in caught.value.what
