"""Every kind of damage to token shards is found, and named by file and place."""

import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.data.checking import check
from models.data.shapeworld.vocabulary import build_tokenizer
from models.data.shards import open_token_shards, write_token_shards
from models.data.tars import Sample, write_samples
from models.data.tokenizing import tokenize
from orchestrator.errors import ConfigError, DataError

SEQ_LEN = 4
IDS = np.arange(7 * (SEQ_LEN + 1)).reshape(7, SEQ_LEN + 1)


def found(path: Path, **expected: Any) -> list[tuple[str, int | None, str]]:
    """Return file name, index and text of each finding; each says how to mend it."""
    findings = list(check(path, expected))
    assert all(finding["mend"] for finding in findings)
    return [(Path(str(f["file"])).name, f["index"], str(f["what"])) for f in findings]  # pyright: ignore[reportReturnType]  (a finding's index is a number or None)


def only(path: Path, **expected: Any) -> tuple[str, int | None, str]:
    findings = found(path, **expected)
    assert len(findings) == 1, findings
    return findings[0]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_token_shards(tmp_path / "a part's" / "text", list(IDS), per_shard=3)
    return tmp_path / "a part's" / "text"


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A part made from documents, with its record and tokenizer."""
    build_tokenizer().save(str(tmp_path / "tokenizer.json"))
    words = ["red", "circle", "a", "and"]
    lines = [json.dumps({"text": " ".join(words[: n % 4 + 1] * n)}) for n in range(1, 40)]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    out = tmp_path / "collection" / "text"
    options = {"seq_len": 16, "sequences_per_shard": 20}
    tokenize([tmp_path / "a.jsonl"], tmp_path / "tokenizer.json", out, options, [].append)
    return out


def rewrite(folder: Path, shard: str, contents: list[bytes], suffix: str = "json") -> None:
    samples = [Sample(f"{n:012d}", {suffix: content}) for n, content in enumerate(contents)]
    write_samples(folder / f"{shard}.tar", samples)


def encoded(ids: object) -> bytes:
    return json.dumps(ids).encode()


ROWS = [encoded(row.tolist()) for row in IDS]


def test_nothing_is_found_where_nothing_is_wrong(folder: Path, made: Path) -> None:
    assert found(folder) == found(folder, vocab_size=35, seq_len=SEQ_LEN) == []
    assert found(made) == found(made, seq_len=16) == []
    rewrite(folder, "00000000", [gzip.compress(row, mtime=0) for row in ROWS[:3]], "json.gz")
    rewrite(folder, "00000001", ROWS[3:6], "txt")
    assert found(folder) == []


def test_a_missing_manifest_is_found(folder: Path) -> None:
    (folder / "manifest.jsonl").unlink()
    findings = found(folder)
    assert findings[0][:2] == ("manifest.jsonl", None)
    assert "cannot be read" in findings[0][2]
    assert [name for name, _, _ in findings[1:]] == [f"0000000{n}.tar" for n in range(3)]


def test_a_missing_new_line_at_the_manifests_end_is_found(folder: Path) -> None:
    path = folder / "manifest.jsonl"
    path.write_text(path.read_text().rstrip("\n"))
    name, line, what = only(folder)
    assert (name, line) == ("manifest.jsonl", 3)
    assert "new line" in what


@pytest.mark.parametrize("line", ["{", "7", "[" * 50_000, '{"shard": "x"}', '{"num_sequences": 3}'])
def test_a_line_of_the_manifest_that_names_no_shard_is_found(folder: Path, line: str) -> None:
    path = folder / "manifest.jsonl"
    path.write_text(line + "\n" + path.read_text())
    assert only(folder)[:2] == ("manifest.jsonl", 1)


def test_an_empty_manifest_is_found(folder: Path) -> None:
    (folder / "manifest.jsonl").write_text("\n")
    assert found(folder)[0] == ("manifest.jsonl", None, "the manifest names no shard")


def test_a_shard_that_is_named_twice_is_found(folder: Path) -> None:
    path = folder / "manifest.jsonl"
    path.write_text(path.read_text() + path.read_text().splitlines(keepends=True)[0])
    name, line, what = only(folder)
    assert (name, line) == ("manifest.jsonl", 4)
    assert "line 1 already" in what


def test_a_missing_shard_and_one_that_nothing_names_are_found(folder: Path) -> None:
    (folder / "00000001.tar").rename(folder / "other.tar")
    (name, _, what), (missing, _, why) = found(folder)
    assert (name, missing, why) == ("other.tar", "00000001.tar", "the shard is missing")
    assert "does not name" in what


@pytest.mark.parametrize("keep", [1100, 0, 700])
def test_a_truncated_shard_is_found(folder: Path, keep: int) -> None:
    path = folder / "00000001.tar"
    path.write_bytes(path.read_bytes()[:keep])
    name, _, what = only(folder)
    assert name == path.name
    assert "cannot be read" in what


def test_an_empty_shard_is_found(folder: Path) -> None:
    rewrite(folder, "00000001", [])
    findings = found(folder)
    assert ("00000001.tar", None, "the shard is empty") in findings
    assert ("00000001.tar", None, "it has 0 sequences, the manifest says 3") in findings


def test_a_wrong_count_in_the_manifest_is_found(folder: Path) -> None:
    rewrite(folder, "00000001", ROWS[3:5])
    assert only(folder) == ("00000001.tar", None, "it has 2 sequences, the manifest says 3")


def test_a_shard_of_the_same_sequences_is_found_however_it_is_packed(folder: Path) -> None:
    contents = [gzip.compress(row, mtime=0) for row in ROWS[:3]]
    rewrite(folder, "00000001", contents, "json.gz")
    name, _, what = only(folder)
    assert (name, what) == ("00000001.tar", "it holds the same sequences as 00000000.tar")


@pytest.mark.parametrize("ids", [[1, 2, 3, 4], [1, 2, 3, 4, 5, 6]])
def test_a_sequence_of_another_length_is_found(folder: Path, ids: list[int]) -> None:
    rewrite(folder, "00000001", [ROWS[3], encoded(ids), ROWS[5]])
    assert only(folder) == (
        "00000001.tar",
        1,
        f"the sequence has {len(ids)} ids, not 5",
    )


def test_sequences_of_another_length_than_the_models_are_found_and_summed_up(
    tmp_path: Path,
) -> None:
    write_token_shards(tmp_path, [np.array([n, n + 1]) for n in range(50)], per_shard=50)
    findings = found(tmp_path, seq_len=2)
    assert findings[0] == ("00000000.tar", 0, "the sequence has 2 ids, not 3")
    assert len(findings) == 21
    assert findings[20][1:] == (None, "30 more, the last of them: the sequence has 2 ids, not 3")


@pytest.mark.parametrize(
    "content",
    [b"{}", b"[", b"[1, 2, 3, 4, -5]", b'["a"]', b"[1.5, 2, 3, 4, 5]", b"[]", b"[[1, 2], [3]]",
     b"[" * 50_000, b"[true, false]", b"[1, 2, 3, 4, 99999999999999999999]", b"7"],
)  # fmt: skip
def test_what_is_no_list_of_ids_is_found(folder: Path, content: bytes) -> None:
    rewrite(folder, "00000001", [ROWS[3], content, ROWS[5]])
    assert only(folder)[:2] == ("00000001.tar", 1)


def test_a_sample_of_something_else_is_found(folder: Path) -> None:
    samples = [Sample(str(n), {"json": ROWS[n + 3]}) for n in range(2)]
    write_samples(folder / "00000001.tar", [*samples, Sample("2", {"png": b"x", "cls": b"1"})])
    assert only(folder) == ("00000001.tar", 2, "sample 2 has cls, png, no list of ids")


def test_an_id_beyond_the_vocabulary_is_found(folder: Path) -> None:
    name, index, what = only(folder, vocab_size=34)
    assert (name, index) == ("00000002.tar", 0)
    assert what == "id 34 at position 4 is beyond the vocabulary of 34"


def test_an_id_beyond_the_tokenizer_is_found(made: Path, tmp_path: Path) -> None:
    size = build_tokenizer().get_vocab_size()
    (tmp_path / "other").mkdir()
    write_token_shards(tmp_path / "other", [np.array([1, size - 1]), np.array([1, size])], 2)
    shutil.copy(made / "tokenizer.json", tmp_path / "other")
    assert only(tmp_path / "other")[:2] == ("00000000.tar", 1)


def test_a_model_with_fewer_ids_than_the_recorded_tokenizer_is_found(made: Path) -> None:
    size = build_tokenizer().get_vocab_size()
    assert found(made, vocab_size=size) == []
    name, index, what = found(made, vocab_size=size - 1)[0]
    assert (name, index) == ("tokenize.json", None)
    assert what == f"the shards were made with a tokenizer of {size} ids, the model has {size - 1}"
    with pytest.raises(DataError, match=f"a tokenizer of {size} ids") as caught:
        open_token_shards(made, 16, vocab_size=size - 1)
    assert caught.value.where == str(made / "tokenize.json")


def test_ids_are_held_against_the_record_where_no_tokenizer_is_left(made: Path) -> None:
    (made / "tokenizer.json").unlink()
    assert found(made) == []
    record = json.loads((made / "tokenize.json").read_text())
    (made / "tokenize.json").write_text(json.dumps({**record, "vocab_size": 3}))
    assert any("beyond the vocabulary of 3" in what for _, _, what in found(made))


def another_tokenizer(path: Path) -> Path:
    tokenizer = build_tokenizer()
    tokenizer.add_tokens(["another"])
    tokenizer.save(str(path))
    return path


@pytest.mark.parametrize("where", ["given", "beside the shards", "of the collection"])
def test_a_tokenizer_that_does_not_match_is_found(made: Path, tmp_path: Path, where: str) -> None:
    place = {"beside the shards": made, "of the collection": made.parent}.get(where, tmp_path)
    path = another_tokenizer(place / "tokenizer.json")
    name, index, what = only(made, **({"tokenizer": path} if where == "given" else {}))
    assert (name, index) == ("tokenizer.json", None)
    assert "not the one the shards were made with" in what


def test_tokenizers_that_differ_are_found_without_a_record(folder: Path, tmp_path: Path) -> None:
    build_tokenizer().save(str(folder.parent / "tokenizer.json"))
    path = another_tokenizer(tmp_path / "tokenizer.json")
    assert only(folder, tokenizer=path)[0] == "tokenizer.json"


def test_a_tokenizer_that_cannot_be_read_is_found(made: Path) -> None:
    (made / "tokenizer.json").write_text("{")
    assert only(made)[0] == "tokenizer.json"


def test_a_shard_changed_since_it_was_made_is_found(made: Path) -> None:
    path = made / "00000001.tar"
    content = bytearray(path.read_bytes())
    digit = content.index(b"[") + 1
    content[digit] = ord("3") if content[digit] != ord("3") else ord("4")
    path.write_bytes(content)
    assert only(made)[:2] == ("00000001.tar", None)


@pytest.mark.parametrize("text", ["{", "[]", '{"settings": 7, "shards": [7]}'])
def test_a_damaged_record_is_no_crash(made: Path, text: str) -> None:
    (made / "tokenize.json").write_text(text)
    assert found(made) == []


def damages() -> dict[str, Callable[[Path], object]]:
    """Damage that the reader refuses too."""
    return {
        "no manifest": lambda part: (part / "manifest.jsonl").unlink(),
        "no line": lambda part: (part / "manifest.jsonl").write_text(""),
        "bad line": lambda part: (part / "manifest.jsonl").write_text("7\n"),
        "no shard": lambda part: (part / "00000002.tar").unlink(),
        "cut off": lambda part: (part / "00000002.tar").write_bytes(b"x" * 600),
        "count": lambda part: rewrite(part, "00000002", []),
        "length": lambda part: rewrite(part, "00000002", [b"[1, 2]"]),
        "ids": lambda part: rewrite(part, "00000002", [b"[1, 2, 3, 4, -1]"]),
    }


@pytest.mark.parametrize("damage", damages())
def test_what_the_reader_refuses_is_found(folder: Path, damage: str) -> None:
    damages()[damage](folder)
    assert found(folder)
    with pytest.raises(DataError):
        open_token_shards(folder, SEQ_LEN)


def test_a_path_of_no_data_is_refused_and_its_parts_are_named(folder: Path, made: Path) -> None:
    with pytest.raises(DataError) as caught:
        found(folder.parent)
    assert caught.value.mend == "name one of its parts: text"
    for path in (folder / "absent", made / "tokenize.jsonl"):
        with pytest.raises(DataError, match="nothing here"):
            found(path)


def test_values_that_data_cannot_be_checked_against_are_refused(folder: Path) -> None:
    with pytest.raises(ConfigError, match="vocab_size is 0"):
        found(folder, vocab_size=0)
    with pytest.raises(DataError, match="tokenizer is missing"):
        found(folder, tokenizer=folder / "none.json")
