"""Documents of token shards: what lies between one `END_OF_TEXT` and the next.

Where the part's record says that its sequences follow one another (`sweep data tokenize`), a
document goes on in the next sequence. Elsewhere sequences may have been shuffled, and a document
ends with its sequence.

A model reads a document as in training, behind an `END_OF_TEXT`. One that is longer than a sequence
is read in windows of T ids, each behind the id before it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.data.batch import Row
from models.data.fitness import check_ids
from models.data.pretraining import text_row
from models.data.shards import token_index
from models.data.tokenizer import END_OF_TEXT
from models.data.tokenizing.record import read_record


@dataclass(frozen=True, slots=True, eq=False)
class Documents:
    """The documents of a part, in its order. n documents."""

    ids: NDArray[np.integer[Any]]
    """All ids one after the other, each document with its `END_OF_TEXT` where it has one."""
    starts: NDArray[np.int64]
    """(n + 1,). Where each document begins in `ids`."""

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def lengths(self) -> NDArray[np.int64]:
        """(n,). Ids of each document."""
        return np.diff(self.starts)


class Windows:
    """What a model reads of documents at a time. m windows.

    Args:
        documents: of the whole part.
        seq_len: T, ids of a window at most.
    """

    def __init__(self, documents: Documents, seq_len: int) -> None:
        self._documents = documents
        counts: NDArray[np.int64] = -(-documents.lengths // seq_len)  # (n,), rounded up
        self.firsts: NDArray[np.int64] = np.cumsum(counts) - counts
        """(n,). Number of each document's first window."""
        inner = np.arange(int(counts.sum())) - np.repeat(self.firsts, counts)  # (m,)
        self._starts = np.repeat(documents.starts[:-1], counts) + inner * seq_len
        ends = np.repeat(documents.starts[1:], counts)
        self.lengths: NDArray[np.int64] = np.minimum(ends - self._starts, seq_len) + 1
        """(m,). Ids of each, the one before it among them."""
        self._begins_document = inner == 0

    def __len__(self) -> int:
        return len(self.lengths)

    def row(self, number: int) -> Row:
        """Return one window: every id of the document in it is a target."""
        start, length = int(self._starts[number]), int(self.lengths[number])
        if not self._begins_document[number]:
            return text_row(self._documents.ids[start - 1 : start - 1 + length])
        own = np.asarray(self._documents.ids[start : start - 1 + length], dtype=np.int64)
        return text_row(np.concatenate([[END_OF_TEXT], own]))


def open_documents(folder: Path, vocab_size: int | None = None) -> Documents:
    """Open the documents of a part of token shards.

    Raises:
        DataError: if the part is missing or damaged, or has ids beyond the vocabulary.
    """
    sequences = token_index(folder).arrays()["sequences"]  # (sequences, T + 1)
    check_ids(sequences, vocab_size, lambda number: f"{folder}: sequence {number}")
    ids = sequences.reshape(-1)
    ends = np.flatnonzero(ids == END_OF_TEXT) + 1
    step = len(ids) if read_record(folder) is not None else sequences.shape[1]
    cuts = np.arange(0, len(ids) + 1, step)
    return Documents(ids, np.unique(np.concatenate([ends, cuts])).astype(np.int64))


def joined_sequences(
    documents: Documents, numbers: NDArray[np.int64], seq_len: int
) -> tuple[NDArray[np.integer[Any]], int]:
    """Put documents one after the other, each with its `END_OF_TEXT`, and cut them into sequences.

    Returns:
        Sequences, (sequences, T + 1), and how many ids at the end fill none.
    """
    parts: list[NDArray[np.integer[Any]]] = []
    end = np.array([END_OF_TEXT], dtype=documents.ids.dtype)
    for number in numbers.tolist():
        start, stop = documents.starts[number], documents.starts[number + 1]
        parts.append(documents.ids[start:stop])
        if documents.ids[stop - 1] != END_OF_TEXT:
            parts.append(end)
    ids = np.concatenate(parts)
    whole = len(ids) - len(ids) % (seq_len + 1)
    return ids[:whole].reshape(-1, seq_len + 1), len(ids) - whole
