"""Token shards in OpenLM's format: tar files of token lists, and a manifest.

Each member is one sequence of `seq_len + 1` ids (the extra one is the last target), as a JSON list
(`.json`, `.json.gz`) or a Python list literal (`.txt`). `manifest.jsonl` has one line per shard:
`{"shard": "<file name without .tar>", "num_sequences": N}`.
"""

import gzip
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from models.data.doubled import refuse_doubled
from models.data.fitness import check_ids, check_vocabulary
from models.data.index import Arrays, Index, fingerprints
from models.data.tars import Sample, read_samples, write_samples
from orchestrator.errors import DataError
from orchestrator.store.files import write_text

_SUFFIXES = ("json", "txt", "json.gz")
_REMAKE = "fetch or make the shard again, and its line in manifest.jsonl"


@dataclass(frozen=True, slots=True)
class _Shard:
    path: Path
    sequences: int


def open_token_shards(
    folder: Path, seq_len: int, vocab_size: int | None = None
) -> NDArray[np.integer[Any]]:
    """Open the sequences of a part of token shards, in the manifest's order.

    Args:
        folder: the part.
        seq_len: T.
        vocab_size: ids that the model has; None for a model that is not known.

    Returns:
        Ids, (n, seq_len + 1), of an unsigned integer type; mapped from the index if there is one.

    Raises:
        DataError: if the manifest or a shard is missing or damaged, a shard has another number of
            sequences than the manifest says or is there twice, or the sequences have another
            length or ids beyond the vocabulary.
    """
    arrays = token_index(folder).arrays()
    sequences = arrays["sequences"]
    if sequences.shape[1] != seq_len + 1:
        raise DataError(
            f"sequences have {sequences.shape[1]} ids, not seq_len + 1 = {seq_len + 1}",
            where=str(folder),
            mend=f"tokenize the text for this model, or give it seq_len {sequences.shape[1] - 1}",
        )
    check_vocabulary(folder, vocab_size)
    largest = int(arrays["largest"][0]) if "largest" in arrays else None  # older indexes have none
    check_ids(sequences, vocab_size, partial(_sequence_place, folder), largest)
    return sequences


def token_index(folder: Path) -> Index:
    """Return the index over a part of token shards.

    Raises:
        DataError: if the manifest, or a shard that it names, is missing or there twice.
    """
    shards = _read_manifest(folder)
    files = [shard.path for shard in shards]
    stamp = fingerprints([folder / "manifest.jsonl", *files])
    refuse_doubled(files, stamp)
    return Index(
        folder=folder, name="tokens", stamp=stamp, build=lambda: _read_sequences(folder, shards)
    )


def write_token_shards(
    folder: Path, sequences: Sequence[NDArray[np.integer[Any]]], per_shard: int
) -> None:
    """Write sequences of `seq_len + 1` ids as shards with their manifest."""
    folder.mkdir(parents=True, exist_ok=True)
    numbered = enumerate(sequences)
    lines: list[str] = []
    while part := list(islice(numbered, per_shard)):
        name = f"{len(lines):08d}"
        count = write_samples(folder / f"{name}.tar", (_sample(n, ids) for n, ids in part))
        lines.append(json.dumps({"shard": name, "num_sequences": count}) + "\n")
    write_text(folder / "manifest.jsonl", "".join(lines))


def _sample(number: int, ids: NDArray[np.integer[Any]]) -> Sample:
    return Sample(f"{number:012d}", {"json": json.dumps(ids.tolist()).encode()})


def _read_manifest(folder: Path) -> list[_Shard]:
    path = folder / "manifest.jsonl"
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError as error:
        raise DataError(
            "the manifest is missing",
            where=str(path),
            mend='write one line per shard: {"shard": "<name without .tar>", "num_sequences": N}',
        ) from error
    numbered = enumerate(lines, start=1)
    shards = [_manifest_line(path, n, line) for n, line in numbered if line.strip()]
    if not shards:
        raise DataError("the manifest names no shard", str(path), "list the shards, one per line")
    lines_of: dict[Path, int] = {}
    for line, shard in enumerate(shards, start=1):
        if shard.path in lines_of:
            raise DataError(
                f"{shard.path.name} is named twice, as entries {lines_of[shard.path]} and {line}",
                where=str(path),
                mend="name each shard once",
            )
        lines_of[shard.path] = line
        if not shard.path.is_file():
            raise DataError("the shard is missing", str(shard.path), _REMAKE)
    return shards


def _sequence_place(folder: Path, number: int) -> str:
    """Return where the sequence of a number among all lies: its shard, and its number in it."""
    for shard in _read_manifest(folder):
        if number < shard.sequences:
            return f"{shard.path}: sequence {number}"
        number -= shard.sequences
    return str(folder)


def _manifest_line(path: Path, number: int, line: str) -> _Shard:
    try:
        entry = json.loads(line)
        count = entry.get("num_sequences", entry.get("num_chunks"))  # the older key
        name = entry["shard"]
        if type(count) is not int or count < 0 or not isinstance(name, str):
            raise ValueError("it needs the name of a shard and its number of sequences")
    except (ValueError, KeyError, AttributeError, RecursionError) as error:
        raise DataError(
            f"the line cannot be read ({error})",
            where=f"{path}: line {number}",
            mend='write {"shard": "<name without .tar>", "num_sequences": N}',
        ) from error
    return _Shard(path.parent / f"{name.removesuffix('.tar')}.tar", count)


def _read_sequences(folder: Path, shards: list[_Shard]) -> Arrays:
    rows: list[NDArray[np.int64]] = []
    for shard in shards:
        before = len(rows)
        for sample in read_samples(shard.path):
            rows.append(_ids(shard.path, sample))
            if len(rows[-1]) != len(rows[0]):
                raise DataError(
                    f"sequence {sample.key} has {len(rows[-1])} ids, the first one {len(rows[0])}",
                    where=str(shard.path),
                    mend="cut all sequences of a data set to one length, seq_len + 1",
                )
        if len(rows) == before and shard.sequences == 0:
            raise DataError("the shard is empty", str(shard.path), "remove it and its line")
        if len(rows) - before != shard.sequences:
            raise DataError(
                f"the shard has {len(rows) - before} sequences, the manifest says "
                f"{shard.sequences}",
                where=str(shard.path),
                mend=_REMAKE,
            )
    if not rows:
        raise DataError("there is no sequence here", str(folder), "make or fetch the text again")
    stacked = np.stack(rows)
    largest = stacked.max()
    return {
        "sequences": stacked.astype(np.uint16 if largest < 2**16 else np.uint32),
        "largest": np.array([largest]),
    }


def _ids(path: Path, sample: Sample) -> NDArray[np.int64]:
    suffix = next((suffix for suffix in _SUFFIXES if suffix in sample.fields), None)
    try:
        if suffix is None:
            raise ValueError(f"its members are {', '.join(sample.fields)}")
        content = sample.fields[suffix]
        values = json.loads(gzip.decompress(content) if suffix.endswith("gz") else content)
        if not isinstance(values, list):
            raise TypeError("it is no list")
        ids = np.array(cast(list[object], values))
        if ids.dtype != np.int64 or ids.ndim != 1 or ids.min() < 0:
            raise ValueError("it holds something else than ids from 0 up")
    except (ValueError, TypeError, OSError, EOFError, RecursionError, zlib.error) as error:
        raise DataError(
            f"sequence {sample.key} is no list of ids ({error})",
            where=str(path),
            mend="write each sequence as a JSON list of whole numbers, suffix .json",
        ) from error
    return ids
