"""Captions: tokenized once, in the images' order, each ended."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from models.data.captions import open_captions
from models.data.images import open_images
from models.data.tars import read_samples, tar_files, write_samples
from models.data.tokenizer import END_OF_TEXT, load_tokenizer
from orchestrator.errors import DataError


def test_caption_i_belongs_to_image_i(world: Path, unindexed: Callable[[str], Path]) -> None:
    tokenizer = load_tokenizer(world)
    files = tar_files(world / "captions")
    samples = {sample.key: sample for file in files for sample in read_samples(file)}
    images = open_images(world / "captions")
    for folder in (world / "captions", unindexed("captions")):
        captions = open_captions(folder)
        assert len(captions) == len(images) == 70
        for index in range(70):
            *words, end = captions.tokens(index).tolist()
            text = samples[images.key(index)].fields["txt"].decode()
            assert tokenizer.decode(words) == text
            assert end == END_OF_TEXT
            assert captions.lengths[index] == len(words) + 1


def test_another_tokenizer_makes_the_index_void(part: Callable[[str], Path]) -> None:
    folder = part("captions")
    before = open_captions(folder).ids.tolist()
    path = folder.parent / "tokenizer.json"
    content = json.loads(path.read_text())
    words = content["model"]["vocab"]
    words["red"], words["blue"] = words["blue"], words["red"]
    path.write_text(json.dumps(content))
    swap = {words["red"]: words["blue"], words["blue"]: words["red"]}
    assert open_captions(folder).ids.tolist() == [swap.get(token, token) for token in before]


def test_a_part_without_tar_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        open_captions(tmp_path)


def test_shards_that_are_empty_cut_off_or_doubled_are_refused(
    unindexed: Callable[[str], Path],
) -> None:
    folder = unindexed("captions")
    write_samples(folder / "empty.tar", [])
    with pytest.raises(DataError, match="the shard is empty") as caught:
        open_captions(folder)
    assert caught.value.where == str(folder / "empty.tar")
    (folder / "empty.tar").unlink()
    shutil.copy(folder / "00000000.tar", folder / "copy.tar")
    with pytest.raises(DataError, match=r"the same file as 00000000\.tar") as caught:
        open_captions(folder)
    assert caught.value.where == str(folder / "copy.tar")
    (folder / "copy.tar").write_bytes((folder / "00000001.tar").read_bytes()[:5000])
    with pytest.raises(DataError, match="cannot be read") as caught:
        open_captions(folder)
    assert caught.value.where == str(folder / "copy.tar")
