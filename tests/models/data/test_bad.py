"""Bad samples are left out, counted and named, up to a limit; the others stay what they were."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.data.bad import MOST_BAD, Bad
from models.data.captions import caption_index, open_captions
from models.data.checking import check
from models.data.images import open_images
from models.data.instructions import Instructions, instruction_index
from models.data.parts import index_part, index_parts
from models.data.pretraining import PretrainingData
from models.data.tars import Sample, read_samples, write_samples
from models.data.tokenizer import load_tokenizer
from orchestrator.errors import DataError

T, P = 64, 9

Fields = dict[str, bytes | None]
"""New contents of a sample's fields; None removes one."""

FAULTS: dict[str, tuple[Fields, str]] = {
    "no image": ({"png": None}, "it has json, txt, not one image and a txt"),
    "two images": ({"jpg": b"x"}, "not one image and a txt"),
    "no caption": ({"txt": None}, "it has json, png, not one image and a txt"),
    "no text": ({"txt": b"\xff\xfe"}, "its caption is not UTF-8"),
    "no token": ({"txt": b" \n"}, "its caption has no token"),
    "no picture": ({"png": b"\x89PNG"}, "the image cannot be decoded"),
}


def damage(folder: Path, damaged: dict[int, Fields]) -> None:
    """Change samples of the second shard of a part of captions, and drop its index."""
    shutil.rmtree(folder / "index", ignore_errors=True)
    path = folder / "00000001.tar"
    samples = list(read_samples(path))
    for number, fields in damaged.items():
        kept = {**samples[number].fields, **fields}
        new = {name: content for name, content in kept.items() if content is not None}
        samples[number] = Sample(samples[number].key, new)
    write_samples(path, samples)


def texts(folder: Path) -> dict[str, str]:
    """Return the caption of each image that is left in a part, by its key."""
    captions, images = open_captions(folder), open_images(folder)
    tokenizer = load_tokenizer(folder.parent)
    return {
        images.key(image): tokenizer.decode(captions.tokens(number)[:-1].tolist())
        for number, image in enumerate(captions.images.tolist())
    }


def places(folder: Path) -> set[tuple[str, int]]:
    """Return file and index of whatever a check finds."""
    findings: list[Any] = list(check(folder, {}))
    return {(Path(finding["file"]).name, finding["index"]) for finding in findings}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_bad_captioned_image_is_left_out_and_named(
    part: Callable[[str], Path], fault: str
) -> None:
    folder = part("captions")
    whole = texts(folder)
    fields, reason = FAULTS[fault]
    damage(folder, {3: fields})
    (bad,) = open_captions(folder).bad
    assert bad.place == "00000001.tar: sample 000000000028"
    assert reason in bad.reason
    assert texts(folder) == {key: text for key, text in whole.items() if key != "000000000028"}
    assert places(folder) == {("00000001.tar", 3)}
    caption_index(folder).write()
    assert open_captions(folder).bad == (bad,)
    assert len(open_captions(folder)) == 69


def test_images_of_samples_that_are_left_out_are_counted_all_the_same(
    part: Callable[[str], Path],
) -> None:
    folder = part("captions")
    damage(folder, {0: {"png": None}, 1: {"txt": None}, 2: {"jpg": b"x"}})
    captions = open_captions(folder)
    assert captions.all_images == len(open_images(folder)) == 70  # one is gone, one there is new
    assert captions.images.tolist() == [*range(25), *range(28, 70)]


SPOILT: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "two questions": (
        lambda row: row["conversations"].insert(0, dict(row["conversations"][0])),
        "the speakers are human, human, gpt",
    ),
    "empty answer": (
        lambda row: row["conversations"][1].update(value="\n"),
        "the answer in turn 1 is empty",
    ),
    "no image": (lambda row: row.update(image="images/none.png"), "no image images/none.png"),
    "half a pair": (
        lambda row: row["conversations"][1].update(value="\ud83d"),
        "half a surrogate pair",
    ),
    "no row": (lambda row: row.clear(), "the row is not in LLaVA's format"),
}


def spoil(folder: Path, spoilt: dict[int, str]) -> None:
    shutil.rmtree(folder / "index", ignore_errors=True)
    path = folder / "llava.json"
    rows = json.loads(path.read_text())
    for number, name in spoilt.items():
        SPOILT[name][0](rows[number])
    path.write_text(json.dumps(rows))


def rows_of(folder: Path) -> Instructions:
    return Instructions(folder, seq_len=T, image_tokens=P)


def contents(rows: Instructions) -> list[tuple[list[int], list[int]]]:
    examples = [rows.example(number) for number in range(len(rows))]
    return [(example.ids.tolist(), example.images.tolist()) for example in examples]


@pytest.mark.parametrize("name", SPOILT)
def test_a_bad_row_is_left_out_and_named(part: Callable[[str], Path], name: str) -> None:
    folder = part("instructions")
    whole = contents(rows_of(folder))
    spoil(folder, {4: name})
    rows = rows_of(folder)
    (bad,) = rows.bad
    assert bad.place == "llava.json: row 4"
    assert SPOILT[name][1] in bad.reason
    assert contents(rows) == whole[:4] + whole[5:]
    assert places(folder) == {("llava.json", 4)}
    instruction_index(folder).write()
    assert rows_of(folder).bad == (bad,)


@pytest.mark.parametrize("content", [None, b"", b"no picture"])
def test_rows_whose_image_is_missing_or_damaged_are_left_out(
    part: Callable[[str], Path], content: bytes | None
) -> None:
    folder = part("instructions")
    shutil.rmtree(folder / "index")
    path = folder / "images" / "instruction_000004.png"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    (bad,) = rows_of(folder).bad
    assert bad.place == "llava.json: row 4"
    assert "images/instruction_000004.png" in bad.reason


def test_rows_of_a_part_without_any_image_are_left_out_up_to_the_limit(
    part: Callable[[str], Path],
) -> None:
    folder = part("instructions")
    shutil.rmtree(folder / "index")
    shutil.rmtree(folder / "images")
    rows = rows_of(folder)
    assert (len(rows), len(rows.bad)) == (10, 30)
    assert rows.bad[0].reason == "there is no image here"


def test_more_bad_samples_than_may_be_left_out_stop_a_run_with_their_count_and_names(
    part: Callable[[str], Path],
) -> None:
    folder = part("captions")
    damage(folder, {number: {"txt": None} for number in range(7)})
    with pytest.raises(DataError) as caught:
        caption_index(folder, most_bad=6).write()
    assert caught.value.what.startswith(
        "7 of 70 samples cannot be used, where at most 6 may be left out: "
        "00000001.tar: sample 000000000025: it has json, png, not one image and a txt; "
        "00000001.tar: sample 000000000026: "
    )
    assert caught.value.where == str(folder)
    assert "sweep data index --max-bad" in caught.value.mend
    assert not (folder / "index").exists()
    assert len(caption_index(folder, most_bad=7).write()["bad_places"]) == 7


def test_an_index_holds_the_limit_that_it_was_written_with(part: Callable[[str], Path]) -> None:
    folder = part("instructions")
    path = folder / "llava.json"
    path.write_text(json.dumps([*json.loads(path.read_text()), *[{}] * (MOST_BAD + 1)]))
    with pytest.raises(DataError, match="101 of 141 samples cannot be used, where at most 100 may"):
        rows_of(folder)
    index_part(folder, most_bad=MOST_BAD + 1)
    assert (len(rows_of(folder)), len(rows_of(folder).bad)) == (40, 101)


def test_a_part_of_nothing_but_bad_samples_is_refused(part: Callable[[str], Path]) -> None:
    folder = part("captions")
    for name in ("00000000.tar", "00000002.tar"):
        (folder / name).unlink()
    damage(folder, {number: {"txt": None} for number in range(25)})
    with pytest.raises(DataError, match="25 of 25 samples cannot be used"):
        open_captions(folder)


def test_indexing_tells_what_is_left_out(part: Callable[[str], Path]) -> None:
    captions, rows = part("captions"), part("instructions")
    damage(captions, {3: {"txt": None}})
    told: list[str] = []
    first, second = index_parts([captions, rows], 1, told.append)
    assert first == {
        "path": str(captions),
        "indexes": ["images", "captions"],
        "left_out": [
            {
                "place": "00000001.tar: sample 000000000028",
                "reason": "it has json, png, not one image and a txt",
            }
        ],
    }
    assert second == {"path": str(rows), "indexes": ["instructions"], "left_out": []}
    assert told == [f"indexing {captions}", f"indexing {rows}"]
    with pytest.raises(DataError):
        list(index_parts([captions.parent], 1, told.append))


def mixed(captions: Path, rows: Path) -> PretrainingData:
    return PretrainingData(
        None,
        captions,
        rows,
        seq_len=T,
        image_tokens=P,
        image_ratio=1.0,
        instruction_ratio=0.3,
        seed=0,
    )


def test_the_order_with_bad_samples_is_the_same_with_an_index_and_without(
    part: Callable[[str], Path],
) -> None:
    captions, rows = part("captions"), part("instructions")
    damage(captions, {3: {"txt": None}, 8: {"png": b""}, 9: {"png": None}})
    spoil(rows, {2: "no image", 4: "empty answer"})
    without = mixed(captions, rows)
    assert without.skipped_samples == 5
    first = without.batch(0, 150)
    index_part(captions)
    index_part(rows)
    again = mixed(captions, rows)
    for name in ("ids", "targets", "documents", "images"):
        assert (getattr(again.batch(0, 150), name) == getattr(first, name)).all()
    bad_images = {28, 33}  # the third bad sample has none
    assert not bad_images & set(first.images.tolist())
    own = first.images[first.images < without.caption_images]
    assert len(set(own.tolist())) == 67
    assert without.caption_images == 69


def test_captions_of_ten_thousand_tokens_are_cut_and_counted(part: Callable[[str], Path]) -> None:
    folder = part("captions")
    damage(folder, {5: {"txt": b"red " * 10_000}})
    source = PretrainingData(None, folder, seq_len=T, image_tokens=P, image_ratio=1.0, seed=0)
    assert (source.truncated_captions, source.skipped_samples) == (1, 0)
    assert max(len(ids) for ids in source.batch(0, 40).ids) == T


def test_places_and_reasons_read_as_one_line() -> None:
    assert str(Bad("0.tar: sample 7", "it has no caption")) == "0.tar: sample 7: it has no caption"


def test_captions_beyond_the_vocabulary_are_named(part: Callable[[str], Path]) -> None:
    folder = part("captions")
    captions = open_captions(folder)
    size = int(captions.ids.max())
    number = int(np.flatnonzero(captions.ids == size)[0])
    caption = int(np.searchsorted(captions.starts, number, side="right")) - 1
    open_captions(folder, size + 1)
    with pytest.raises(DataError, match=f"id {size} is beyond") as caught:
        open_captions(folder, size)
    assert caught.value.where == f"{folder}: caption {caption}"
    rows = rows_of(part("instructions"))
    largest = max(max(ids) for ids, _ in contents(rows))
    with pytest.raises(DataError, match=f"beyond the vocabulary of {largest}") as caught:
        Instructions(rows.folder, seq_len=T, image_tokens=P, vocab_size=largest)
    assert "llava.json: row " in caught.value.where
