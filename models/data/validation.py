"""Held-out sequences in the order of their files, for validation losses."""

from collections.abc import Iterator
from itertools import islice, pairwise
from pathlib import Path

import numpy as np

from models.data.batch import Batch, Row, collate
from models.data.captions import Captions, open_captions
from models.data.packing import check_room, packed_row, sequence_bounds
from models.data.pretraining import text_row
from models.data.shards import open_token_shards


def text_batches(
    folder: Path,
    *,
    seq_len: int,
    sequences: int,
    limit: int | None = None,
    vocab_size: int | None = None,
) -> Iterator[Batch]:
    """Give the sequences of a part of token shards, `sequences` at a time, at most `limit`.

    Raises:
        DataError: if the part is missing or damaged, or has ids beyond `vocab_size`.
    """
    rows = map(text_row, open_token_shards(folder, seq_len, vocab_size))
    return _batches(islice(rows, limit), seq_len, sequences)


def caption_batches(
    folder: Path,
    *,
    seq_len: int,
    image_tokens: int,
    sequences: int,
    limit: int | None = None,
    vocab_size: int | None = None,
) -> Iterator[Batch]:
    """Give the captioned images of a part, packed, `sequences` at a time, at most `limit`.

    Raises:
        ConfigError: if an image leaves no position for text.
        DataError: if the part is missing or damaged, or has ids beyond `vocab_size`.
    """
    check_room(seq_len, image_tokens)
    rows = _packed(open_captions(folder, vocab_size), seq_len, image_tokens)
    return _batches(islice(rows, limit), seq_len, sequences)


def _packed(captions: Captions, seq_len: int, image_tokens: int) -> Iterator[Row]:
    bounds = sequence_bounds(captions.lengths, seq_len + 1, image_tokens)
    for first, end in pairwise(bounds):
        yield packed_row(captions, np.arange(first, end, dtype=np.int64), seq_len, image_tokens)


def _batches(rows: Iterator[Row], seq_len: int, sequences: int) -> Iterator[Batch]:
    while chunk := list(islice(rows, sequences)):
        yield collate(chunk, seq_len)
