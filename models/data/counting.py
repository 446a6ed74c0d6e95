"""Counting what data hold, file by file."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from models.data.checking.finding import Finding
from models.data.checking.manifest import manifest_lines
from models.data.conversations import read_rows
from models.data.images import IMAGE_SUFFIXES
from models.data.kinds import PartKind, conversations_file, part_kind
from models.data.sequences import decoded_ids
from models.data.tars import read_samples, tar_files
from models.data.tokenizer import END_OF_TEXT
from models.data.tokenizing.record import read_record
from orchestrator.errors import DataError
from orchestrator.spec.codec import Plain

_CHECK = "find all that is wrong with `sweep data check`"

Counts = dict[str, int]


def count(path: Path) -> dict[str, Plain]:
    """Count what a part of data holds.

    Token shards: `sequences`, `tokens` (T for each, as training counts them) and `ends_of_text`;
    in all also `documents`, where a record says how many. Captioned images: `images`, `captions`.
    LLaVA's rows: `rows`, `bad_rows` (those not in the format), and of the others `images` (rows
    with one) and `turns` (answers). Always: `bytes`.

    Returns:
        `path`, `kind`, `total` and `files`: counts in all and of each file.

    Raises:
        DataError: if there is no data, or it is damaged.
    """
    kind = part_kind(path)
    match kind:
        case PartKind.TOKENS:
            files = list(_token_shards(path))
        case PartKind.CAPTIONS:
            files = [(file, _captions(file)) for file in tar_files(path)]
        case PartKind.CONVERSATIONS:
            file = conversations_file(path)
            files = [(file, _conversations(file))]
    total: dict[str, Plain] = {
        name: sum(counts[name] for _, counts in files) for name in files[0][1]
    }
    documents = (read_record(path) or {}).get("documents")
    if kind is PartKind.TOKENS and isinstance(documents, int):
        total["documents"] = documents
    each: list[Plain] = [{"file": file.name, **counts} for file, counts in files]
    return {"path": str(path), "kind": str(kind), "total": total, "files": each}


def _token_shards(folder: Path) -> Iterator[tuple[Path, Counts]]:
    shards = 0
    for shard in manifest_lines(folder / "manifest.jsonl"):
        if not isinstance(shard, Finding):
            shards += 1
            yield shard.path, _token_shard(shard.path)
        else:
            where = f"{shard.file}: line {shard.index}" if shard.index else shard.file
            raise DataError(shard.what, where, shard.mend)
    if not shards:
        raise DataError("there is no shard to count", str(folder), _CHECK)


def _token_shard(path: Path) -> Counts:
    sequences = tokens = ends = 0
    for sample in read_samples(path):
        ids = decoded_ids(sample)
        if isinstance(ids, str):
            raise DataError(ids, str(path), _CHECK)
        sequences += 1
        tokens += len(ids) - 1
        ends += int(np.count_nonzero(ids == END_OF_TEXT))
    return {
        "sequences": sequences,
        "tokens": tokens,
        "ends_of_text": ends,
        "bytes": path.stat().st_size,
    }


def _captions(path: Path) -> Counts:
    images = captions = 0
    for sample in read_samples(path):
        images += any(suffix in sample.fields for suffix in IMAGE_SUFFIXES)
        captions += "txt" in sample.fields
    return {"images": images, "captions": captions, "bytes": path.stat().st_size}


def _conversations(path: Path) -> Counts:
    read = read_rows(path)
    rows = [row for row in read if not isinstance(row, DataError)]
    return {
        "rows": len(read),
        "bad_rows": len(read) - len(rows),
        "images": sum(row.image is not None for row in rows),
        "turns": sum(len(row.turns) for row in rows),
        "bytes": path.stat().st_size,
    }
