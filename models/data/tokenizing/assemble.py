"""Cutting the tokenized documents, in their order, into shards of sequences.

All documents stand in one stream of ids. Sequence i is the ids from i (T + 1) on; ids at the end
that fill no sequence are left out, and counted.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.data.mixture import order
from models.data.tars import Sample, write_samples
from models.data.tokenizing.encode import PieceCounts
from models.data.tokenizing.work import WorkFolder
from orchestrator.store.files import replacing

_ORDER = "tokenize"
"""Seeds a shuffled order beside the seed: not the order in which training reads the sequences."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardTask:
    """One shard to write."""

    out: Path
    """The part."""
    number: int
    """Of the shard, from 0."""
    first_sequence: int
    """Its first sequence among all."""
    sequences: int
    """Its sequences. At least 1."""
    seq_len: int
    """T: a sequence has T + 1 ids."""
    id_type: str
    """NumPy's name of the type that pieces are written in."""
    piece_starts: tuple[int, ...]
    """Where each piece begins among all ids, and where the last one ends."""


def shard_name(number: int) -> str:
    """Return the name of a shard, without its suffix."""
    return f"{number:08d}"


def place_documents(work: WorkFolder, pieces: Sequence[PieceCounts], seed: int | None) -> None:
    """Write down where each document lies and where it goes, in the files' order or shuffled."""
    read = [np.fromfile(work.piece(number).lengths, dtype="<i8") for number in range(len(pieces))]
    lengths = np.concatenate(read) if read else np.zeros(0, dtype=np.int64)
    starts = np.cumsum(lengths) - lengths
    if seed is not None:
        places = order(len(lengths), seed, 0, _ORDER)
        lengths, starts = lengths[places], starts[places]
    for path, values in ((work.starts, starts), (work.ends, np.cumsum(lengths))):
        with replacing(path) as temporary, temporary.open("wb") as stream:
            np.save(stream, values, allow_pickle=False)


def write_shard(task: ShardTask) -> str:
    """Write one shard unless it is there, and return the SHA-256 of its file.

    Its samples are those of `models.data.shards.write_token_shards`: a JSON list for each sequence,
    named by the sequence's number among all.
    """
    work = WorkFolder(task.out)
    name = f"{shard_name(task.number)}.tar"
    if not (task.out / name).exists():
        with work.putting(name) as temporary:
            write_samples(temporary, _samples(task, work))
    with (task.out / name).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _samples(task: ShardTask, work: WorkFolder) -> Iterator[Sample]:
    size = task.seq_len + 1
    first = task.first_sequence * size
    ids = _stream(task, work, first, first + task.sequences * size)
    for number, row in enumerate(ids.reshape(-1, size), start=task.first_sequence):
        yield Sample(f"{number:012d}", {"json": json.dumps(row.tolist()).encode()})


def _stream(task: ShardTask, work: WorkFolder, first: int, end: int) -> NDArray[np.integer[Any]]:
    """Return the ids of the stream from `first` to before `end`, (end - first,)."""
    ends = np.load(work.ends, mmap_mode="r", allow_pickle=False)
    documents = slice(
        int(np.searchsorted(ends, first, side="right")), int(np.searchsorted(ends, end)) + 1
    )
    begins = np.load(work.starts, mmap_mode="r", allow_pickle=False)[documents].copy()
    stops = np.asarray(ends[documents])
    before = 0 if documents.start == 0 else int(ends[documents.start - 1])
    lengths = np.diff(stops, prepend=before)
    skipped = first - before  # ids of the first document that the shard before has
    begins[0] += skipped
    lengths[0] -= skipped
    lengths[-1] -= int(stops[-1]) - end
    mapped: dict[int, NDArray[np.integer[Any]]] = {}
    parts: list[NDArray[np.integer[Any]]] = []
    for piece, at, count in _runs(begins, lengths, task.piece_starts):
        if piece not in mapped:
            ids = np.memmap(work.piece(piece).ids, dtype=np.dtype(task.id_type), mode="r")
            mapped[piece] = np.asarray(ids)
        parts.append(mapped[piece][at : at + count])
    return np.concatenate(parts)


def _runs(
    begins: NDArray[np.int64], lengths: NDArray[np.int64], piece_starts: tuple[int, ...]
) -> Iterator[tuple[int, int, int]]:
    """Yield (piece, first id in it, ids) of documents that lie side by side, taken together."""
    pieces = np.searchsorted(piece_starts, begins, side="right") - 1
    joined = (begins[1:] == begins[:-1] + lengths[:-1]) & (pieces[1:] == pieces[:-1])
    heads = np.concatenate([[0], np.flatnonzero(~joined) + 1])
    totals = np.add.reduceat(lengths, heads)
    for head, total in zip(heads.tolist(), totals.tolist(), strict=True):
        piece = int(pieces[head])
        yield piece, int(begins[head]) - piece_starts[piece], total
