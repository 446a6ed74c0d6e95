"""Token shards in OpenLM's format: every way they can be wrong is named."""

import gzip
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.data.index import fingerprints
from models.data.shards import open_token_shards, token_index, write_token_shards
from models.data.tars import Sample, write_samples
from orchestrator.errors import DataError

SEQ_LEN = 4
IDS = np.arange(7 * (SEQ_LEN + 1)).reshape(7, SEQ_LEN + 1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_token_shards(tmp_path / "text", list(IDS), per_shard=3)
    return tmp_path / "text"


def rewrite(folder: Path, shard: str, sequences: list[list[int]]) -> None:
    samples = [
        Sample(f"{n:012d}", {"json": json.dumps(s).encode()}) for n, s in enumerate(sequences)
    ]
    write_samples(folder / f"{shard}.tar", samples)


def refused(folder: Path) -> DataError:
    with pytest.raises(DataError) as caught:
        open_token_shards(folder, SEQ_LEN)
    return caught.value


def test_sequences_come_back_in_the_manifests_order(folder: Path) -> None:
    assert open_token_shards(folder, SEQ_LEN).tolist() == IDS.tolist()
    lines = (folder / "manifest.jsonl").read_text().splitlines(keepends=True)
    assert json.loads(lines[0]) == {"shard": "00000000", "num_sequences": 3}
    (folder / "manifest.jsonl").write_text("".join(reversed(lines)))
    expected = [*IDS[6:], *IDS[3:6], *IDS[:3]]
    assert open_token_shards(folder, SEQ_LEN).tolist() == np.array(expected).tolist()


def test_a_manifest_without_a_last_newline_is_read_to_its_end(folder: Path) -> None:
    path = folder / "manifest.jsonl"
    path.write_text(path.read_text().rstrip("\n"))
    assert len(open_token_shards(folder, SEQ_LEN)) == len(IDS)


def test_older_manifests_and_other_suffixes_are_read(tmp_path: Path) -> None:
    text = str(IDS[0].tolist()).encode()
    samples = [
        Sample("a", {"txt": text}),
        Sample("b", {"json.gz": gzip.compress(text)}),
        Sample("c", {"json": text}),
    ]
    write_samples(tmp_path / "old.tar", samples)
    (tmp_path / "manifest.jsonl").write_text('{"shard": "old", "num_chunks": 3}\n')
    assert open_token_shards(tmp_path, SEQ_LEN).tolist() == [IDS[0].tolist()] * 3


def test_a_missing_manifest_is_named(folder: Path) -> None:
    (folder / "manifest.jsonl").unlink()
    assert refused(folder).where == str(folder / "manifest.jsonl")


@pytest.mark.parametrize(
    "line", ['{"shard": "00000000"', '{"shard": "00000000"}', "7", '{"num_sequences": 3}']
)
def test_a_manifest_line_that_says_too_little_is_named(folder: Path, line: str) -> None:
    with (folder / "manifest.jsonl").open("a") as stream:
        stream.write(line)
    assert refused(folder).where == f"{folder / 'manifest.jsonl'}: line 4"


def test_an_empty_manifest_is_refused(folder: Path) -> None:
    (folder / "manifest.jsonl").write_text("\n")
    assert "names no shard" in refused(folder).what


def test_a_missing_shard_is_named_even_with_an_index(part: Callable[[str], Path]) -> None:
    folder = part("text")
    (folder / "00000001.tar").unlink()
    with pytest.raises(DataError) as caught:
        open_token_shards(folder, 64)
    assert caught.value.where == str(folder / "00000001.tar")


def test_a_shard_with_another_count_than_the_manifest_says_is_refused(folder: Path) -> None:
    rewrite(folder, "00000001", IDS[3:5].tolist())
    error = refused(folder)
    assert error.what == "the shard has 2 sequences, the manifest says 3"
    assert error.where == str(folder / "00000001.tar")


def test_an_empty_shard_is_refused_even_if_the_manifest_knows(folder: Path) -> None:
    rewrite(folder, "empty", [])
    with (folder / "manifest.jsonl").open("a") as stream:
        stream.write('{"shard": "empty", "num_sequences": 0}\n')
    error = refused(folder)
    assert (error.what, error.where) == ("the shard is empty", str(folder / "empty.tar"))
    (folder / "empty.tar").write_bytes(b"")
    error = refused(folder)
    assert error.what.startswith("the shard cannot be read")
    assert error.where == str(folder / "empty.tar")


def test_a_sequence_of_another_length_is_refused(folder: Path) -> None:
    rewrite(folder, "00000001", [*IDS[3:5].tolist(), [1, 2, 3, 4]])
    assert refused(folder).what == "sequence 000000000002 has 4 ids, the first one 5"


def test_sequences_cut_for_another_model_are_refused(folder: Path) -> None:
    with pytest.raises(DataError) as caught:
        open_token_shards(folder, SEQ_LEN + 1)
    assert caught.value.what == "sequences have 5 ids, not seq_len + 1 = 6"
    assert "seq_len 4" in caught.value.mend


@pytest.mark.parametrize(
    "content",
    [b"[1, 2, 3, 4, -1]", b'["a"]', b"[1.5]", b"{}", b"[1, 2", b"[[1, 2], [3]]", b"[]", b"\xff"],
)
def test_a_sequence_that_is_no_list_of_ids_is_refused(folder: Path, content: bytes) -> None:
    write_samples(folder / "00000000.tar", [Sample("000000000000", {"json": content})])
    assert refused(folder).where == str(folder / "00000000.tar")


def test_a_member_of_another_kind_is_refused(folder: Path) -> None:
    write_samples(folder / "00000000.tar", [Sample("000000000000", {"png": b""})])
    assert "its members are png" in refused(folder).what


def test_a_changed_shard_is_read_again_although_there_is_an_index(
    part: Callable[[str], Path],
) -> None:
    folder = part("text")
    before = open_token_shards(folder, 64)
    rewrite(folder, "00000000", [[9] * 65] * 25)
    after = open_token_shards(folder, 64)
    assert (after[:25] == 9).all()
    assert (after[25:] == before[25:]).all()


def test_a_shard_that_is_named_twice_is_refused(folder: Path) -> None:
    path = folder / "manifest.jsonl"
    path.write_text(path.read_text() + path.read_text().splitlines(keepends=True)[1])
    error = refused(folder)
    assert error.what == "00000001.tar is named twice, as entries 2 and 4"
    assert error.where == str(path)


def test_a_shard_that_is_there_twice_is_refused_by_its_bytes(folder: Path) -> None:
    shutil.copy(folder / "00000000.tar", folder / "copy.tar")
    with (folder / "manifest.jsonl").open("a") as stream:
        stream.write('{"shard": "copy", "num_sequences": 3}\n')
    error = refused(folder)
    assert (error.what, error.where) == (
        "it is the same file as 00000000.tar",
        str(folder / "copy.tar"),
    )


def test_shards_that_agree_in_all_but_one_byte_between_the_fingerprints_are_two(
    tmp_path: Path,
) -> None:
    rows = [np.arange(400) + n for n in range(40)]
    write_token_shards(tmp_path, [*rows, *rows], per_shard=40)
    for number in range(2):
        samples = [
            Sample(f"{n:012d}", {"json": json.dumps(row.tolist()).encode()})
            for n, row in enumerate(rows)
        ]
        write_samples(tmp_path / f"{number:08d}.tar", samples)
    with pytest.raises(DataError, match="the same file"):
        open_token_shards(tmp_path, 399)
    path = tmp_path / "00000001.tar"
    content = bytearray(path.read_bytes())
    step = len(content) // 16
    place = content.index(b"123", 2 * step + 1024)  # behind the third block that is hashed
    assert place < 3 * step
    content[place] = ord("2")
    path.write_bytes(content)
    prints = fingerprints(sorted(tmp_path.glob("*.tar")))
    assert len(set(prints.values())) == 1
    assert len(open_token_shards(tmp_path, 399)) == 80


@pytest.mark.parametrize("indexed", [True, False])
def test_an_id_beyond_the_vocabulary_is_refused_and_named(folder: Path, indexed: bool) -> None:
    if indexed:
        token_index(folder).write()
    assert len(open_token_shards(folder, SEQ_LEN, vocab_size=35)) == 7
    with pytest.raises(DataError) as caught:
        open_token_shards(folder, SEQ_LEN, vocab_size=23)
    assert caught.value.what == "id 23 is beyond the vocabulary of 23"
    assert caught.value.where == f"{folder / '00000001.tar'}: sequence 1"


def test_an_index_that_does_not_know_the_largest_id_is_searched(folder: Path) -> None:
    index = token_index(folder)
    replace(index, build=lambda: {"sequences": index.build()["sequences"]}).write()
    with pytest.raises(DataError, match="id 34 is beyond the vocabulary of 34"):
        open_token_shards(folder, SEQ_LEN, vocab_size=34)
    assert len(open_token_shards(folder, SEQ_LEN, vocab_size=35)) == 7


def test_large_vocabularies_keep_their_ids(tmp_path: Path) -> None:
    write_token_shards(tmp_path, [np.array([0, 70_000])], per_shard=3)
    assert open_token_shards(tmp_path, 1).tolist() == [[0, 70_000]]
