"""Every damage to captioned images is found, and named by file and sample."""

import io
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from models.data.captions import open_captions
from models.data.checking import check
from models.data.checking.finding import PER_FILE
from models.data.tars import Sample, read_samples, write_samples

FAULTS = 4
"""Most faults of one sample: two images, each spoilt, and the caption."""


def found(path: Path, **expected: Any) -> list[tuple[str, int | None, str]]:
    findings = list(check(path, expected))
    assert all(finding["mend"] for finding in findings)
    return [(Path(str(f["file"])).name, f["index"], str(f["what"])) for f in findings]  # pyright: ignore[reportReturnType]  (a finding's index is a number or None)


def png() -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (8, 8)).save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture
def folder(part: Callable[[str], Path]) -> Path:
    return part("captions")


def change(folder: Path, number: int, fields: dict[str, bytes | None]) -> None:
    """Replace fields of a sample of the second shard; None removes one."""
    path = folder / "00000001.tar"
    samples = list(read_samples(path))
    kept = {**samples[number].fields, **fields}
    new = {name: content for name, content in kept.items() if content is not None}
    samples[number] = Sample(samples[number].key, new)
    write_samples(path, samples)


def test_nothing_is_found_where_nothing_is_wrong(folder: Path) -> None:
    assert found(folder) == found(folder, seq_len=64) == []


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"txt": None}, "it has no caption (txt)"),
        ({"txt": b""}, "its caption is empty"),
        ({"txt": b" \n"}, "its caption is empty"),
        ({"txt": b"\xff\xfe"}, "its caption is not UTF-8"),
        ({"png": None}, "it has 0 images (json, txt)"),
        ({"jpg": b"x"}, "it has 2 images"),
        ({"png": b"\x89PNG"}, "the image cannot be decoded"),
    ],
)
def test_a_sample_with_a_fault_is_found(
    folder: Path, fields: dict[str, bytes | None], words: str
) -> None:
    change(folder, 3, fields)
    findings = found(folder)
    assert {finding[:2] for finding in findings} == {("00000001.tar", 3)}
    assert f"sample 000000000028: {words}" in findings[0][2]


def test_a_caption_that_does_not_fit_is_found(folder: Path) -> None:
    change(folder, 5, {"txt": b"red " * 10_000})
    assert found(folder) == []
    findings = found(folder, seq_len=2048)
    assert [finding[:2] for finding in findings] == [("00000001.tar", 5)]
    assert "10000 tokens" in findings[0][2]


def test_a_caption_of_no_token_is_found_with_a_tokenizer(folder: Path, tmp_path: Path) -> None:
    from tokenizers import Tokenizer, models, normalizers

    tokenizer = Tokenizer(models.WordLevel({"<|endoftext|>": 0, "<|padding|>": 1, "a": 2}, "a"))
    tokenizer.normalizer = normalizers.Replace("nothing", "")
    tokenizer.save(str(tmp_path / "empty.json"))
    change(folder, 2, {"txt": b"nothing"})
    findings = found(folder, tokenizer=tmp_path / "empty.json")
    assert [finding[:2] for finding in findings] == [("00000001.tar", 2)]
    assert "no token" in findings[0][2]


def test_shards_that_are_doubled_truncated_or_empty_are_found(folder: Path) -> None:
    shutil.copy(folder / "00000000.tar", folder / "00000001.tar")
    content = (folder / "00000002.tar").read_bytes()
    (folder / "00000002.tar").write_bytes(content[: len(content) // 2])
    write_samples(folder / "00000003.tar", [])
    doubled, truncated, empty = found(folder)
    assert doubled == ("00000001.tar", None, "it is the same file as 00000000.tar")
    assert truncated[0] == "00000002.tar"
    assert "cannot be read" in truncated[2]
    assert empty == ("00000003.tar", None, "the shard is empty")


def test_a_tokenizer_that_cannot_be_read_is_found(folder: Path) -> None:
    (folder.parent / "tokenizer.json").write_text("{")
    assert [name for name, _, _ in found(folder)] == ["tokenizer.json"]
    (folder.parent / "tokenizer.json").unlink()
    assert found(folder) == []


def fields() -> st.SearchStrategy[dict[str, bytes]]:
    """Any set of fields, each whole or spoilt."""
    one_pixel = io.BytesIO()
    Image.new("RGB", (1, 1)).save(one_pixel, "PNG")
    images = st.sampled_from([png(), png()[:40], b"", one_pixel.getvalue()])
    texts = st.sampled_from([b"red circle", b"", b" ", b"\xff", b"unknown"])
    return st.fixed_dictionaries(
        {"json": st.just(b"{}")}, optional={"png": images, "jpg": images, "txt": texts}
    )


@settings(max_examples=100, deadline=None)
@given(st.lists(fields(), min_size=1, max_size=PER_FILE // FAULTS))
def test_a_check_finds_the_samples_that_training_leaves_out_and_no_other(
    world: Path, tmp_path_factory: pytest.TempPathFactory, samples: list[dict[str, bytes]]
) -> None:
    folder = tmp_path_factory.mktemp("any") / "any-1" / "captions"
    folder.mkdir(parents=True)
    shutil.copy(world / "tokenizer.json", folder.parent)
    good = {"png": png(), "txt": b"red"}
    written = [Sample(f"{n:03d}", one) for n, one in enumerate([good, *samples])]
    write_samples(folder / "0.tar", written)
    captions = open_captions(folder)
    left_out = {int(bad.place.rpartition(" ")[2]) for bad in captions.bad}
    assert left_out == {index for _, index, _ in found(folder)}
    assert len(captions) + len(left_out) == len(written)
