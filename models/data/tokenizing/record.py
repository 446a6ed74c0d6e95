"""What a tokenization leaves beside its shards: its record, its manifest, its bad documents."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast

from models.data.tokenizing.assemble import ShardTask, shard_name
from models.data.tokenizing.documents import Piece, place_name
from models.data.tokenizing.encode import PieceCounts
from orchestrator.spec.codec import Plain

RECORD = "tokenize.json"
"""Settings, inputs and counts of the shards beside it."""
BAD_DOCUMENTS = "bad_documents.jsonl"
"""A line for each document that was left out, or that made the tokenization stop."""
TOKENIZER = "tokenizer.json"
"""The tokenizer of the shards beside it."""


def read_record(folder: Path) -> dict[str, Plain] | None:
    """Return the record of a part of token shards; None if it has none that can be read."""
    try:
        value: object = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None  # pyright: ignore[reportUnknownVariableType]  (JSON's keys are text)


def settings_of(folder: Path) -> dict[str, object]:
    """Return the settings that a part of token shards records; none if it has no record."""
    settings = (read_record(folder) or {}).get("settings")
    return cast(dict[str, object], settings) if isinstance(settings, dict) else {}


def made_with(folder: Path) -> str | None:
    """Return the SHA-256 of the tokenizer that a part records; None if it records none."""
    digest = settings_of(folder).get("tokenizer_sha256")
    return digest if isinstance(digest, str) else None


def recorded_vocabulary(folder: Path) -> int | None:
    """Return how many ids the tokenizer of a part gives; None if it records none."""
    size = (read_record(folder) or {}).get("vocab_size")
    return size if isinstance(size, int) else None


def shard_lines(tasks: Sequence[ShardTask], hashes: Sequence[str]) -> list[Plain]:
    """Return the shards as the record names them."""
    return [
        {"shard": shard_name(task.number), "num_sequences": task.sequences, "sha256": digest}
        for task, digest in zip(tasks, hashes, strict=True)
    ]


def manifest_text(tasks: Sequence[ShardTask]) -> str:
    """Return OpenLM's manifest, which ends in a new line."""
    lines = [
        json.dumps({"shard": shard_name(task.number), "num_sequences": task.sequences})
        for task in tasks
    ]
    return "".join(line + "\n" for line in lines)


def bad_documents_text(pieces: Sequence[Piece], counts: Sequence[PieceCounts]) -> str:
    """Return a line for each bad document of the pieces that are counted, in their order."""
    return "".join(json.dumps(line) + "\n" for line in _bad_documents(pieces, counts))


def _bad_documents(
    pieces: Sequence[Piece], counts: Sequence[PieceCounts]
) -> Iterator[dict[str, str]]:
    file, before = None, 0  # places of the same file in the pieces before
    for piece, counted in zip(pieces, counts, strict=False):
        before = before if piece.file == file else 0
        file = piece.file
        for place, reason in counted.faults:
            where = place_name(file, before + place)
            yield {"file": str(file), "place": where, "reason": reason}
        before += counted.places
