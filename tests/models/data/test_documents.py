"""Documents of token shards: found, read in windows, and put together again."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.data.documents import Documents, Windows, joined_sequences, open_documents
from models.data.shapeworld.vocabulary import build_tokenizer
from models.data.shards import write_token_shards
from models.data.tokenizer import END_OF_TEXT
from models.data.tokenizing import tokenize
from orchestrator.errors import DataError

texts = st.lists(st.lists(st.integers(2, 9), max_size=12), min_size=1, max_size=8)


def documents(contents: list[list[int]]) -> Documents:
    ended = [[*content, END_OF_TEXT] for content in contents]
    starts = np.cumsum([0, *map(len, ended)])
    return Documents(np.array([token for one in ended for token in one], np.uint16), starts)


def contents(found: Documents) -> list[list[int]]:
    return [found.ids[first:end].tolist() for first, end in pairwise(found.starts.tolist())]


def test_a_document_ends_with_its_sequence_where_nothing_says_what_comes_next(
    tmp_path: Path,
) -> None:
    write_token_shards(tmp_path, [np.array(row) for row in ([5, 6, 0, 7], [8, 0, 0, 9])], 1)
    assert contents(open_documents(tmp_path)) == [[5, 6, 0], [7], [8, 0], [0], [9]]


def test_a_document_goes_on_in_the_next_sequence_of_shards_made_of_documents(
    tmp_path: Path,
) -> None:
    tokenizer = build_tokenizer()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    words = ["red", "blue", "circle", "square"]
    written = [" ".join(words[n % 4 : n % 4 + 1] * (n + 1)) for n in range(12)]
    lines = [json.dumps({"text": text}) for text in written]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    out = tmp_path / "part"
    options = {"seq_len": 6, "sequences_per_shard": 2}
    record = tokenize([tmp_path / "a.jsonl"], tmp_path / "tokenizer.json", out, options, [].append)
    found = [tokenizer.decode(ids) for ids in contents(open_documents(out))]
    left_over = record["tokens_left_over"]
    assert isinstance(left_over, int)
    assert 0 < left_over < 7
    assert found[:-1] == written[: len(found) - 1]
    assert written[len(found) - 1].startswith(found[-1])


def test_ids_beyond_the_vocabulary_are_refused(tmp_path: Path) -> None:
    write_token_shards(tmp_path, [np.array([1, 2, 3])], 1)
    with pytest.raises(DataError, match="id 3 is beyond"):
        open_documents(tmp_path, vocab_size=3)


@given(texts, st.integers(1, 5))
def test_windows_score_every_id_once_behind_the_one_before_it(
    written: list[list[int]], seq_len: int
) -> None:
    source = documents(written)
    windows = Windows(source, seq_len)
    seen: list[tuple[int, int]] = []
    for number in range(len(windows)):
        row = windows.row(number)
        assert len(row.ids) == windows.lengths[number] - 1 <= seq_len
        assert len(row.images) == 0
        seen += zip(row.ids.tolist(), row.targets.tolist(), strict=True)
    expected = [
        pair
        for content in written
        for pair in zip([END_OF_TEXT, *content], [*content, END_OF_TEXT], strict=True)
    ]
    assert seen == expected
    own = np.add.reduceat(windows.lengths - 1, windows.firsts)
    assert own.tolist() == source.lengths.tolist()


@given(texts, st.integers(1, 5), st.data())
def test_documents_that_are_kept_follow_one_another(
    written: list[list[int]], seq_len: int, data: st.DataObject
) -> None:
    source = documents(written)
    some = data.draw(st.sets(st.integers(0, len(written) - 1), min_size=1))
    sequences, left_over = joined_sequences(source, np.array(sorted(some)), seq_len)
    flat = [token for number in sorted(some) for token in [*written[number], END_OF_TEXT]]
    assert sequences.shape[1] == seq_len + 1
    assert sequences.reshape(-1).tolist() == flat[: len(flat) - left_over]
    assert left_over == len(flat) % (seq_len + 1)


def test_a_document_that_was_cut_off_is_ended() -> None:
    source = Documents(np.array([5, 0, 6, 7], np.uint16), np.array([0, 2, 4]))
    sequences, left_over = joined_sequences(source, np.array([1, 0]), 2)
    assert sequences.tolist() == [[6, 7, 0]]
    assert left_over == 2
