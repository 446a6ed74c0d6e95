"""What is tokenized how: the values that decide the bytes of token shards."""

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from models.data.index import fingerprints
from models.data.tokenizing.documents import Piece
from orchestrator.errors import ConfigError
from orchestrator.spec.codec import Plain

RECORD_FORMAT = 1
"""Raise when the same settings begin to give other bytes."""


class DocumentOrder(StrEnum):
    """In which order documents follow one another."""

    FILE = "file"
    """As they come: by the order of the inputs, and within one from its beginning to its end."""
    SHUFFLED = "shuffled"
    """By a hash of the seed and the document's number (`models.data.mixture.order`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenizeConfig:
    """How documents become sequences.

    Raises:
        ConfigError: if a value lies outside the range stated below.
    """

    seq_len: int
    """T: a sequence has T + 1 ids. At least 1."""
    field: str = "text"
    """Key of a document's text in jsonl, column of it in parquet."""
    order: DocumentOrder = DocumentOrder.FILE
    """In which order documents follow one another."""
    seed: int | None = None
    """Seeds a shuffled order; None for the files' order."""
    sequences_per_shard: int = 8192
    """Sequences of every shard but the last. At least 1. OpenLM's scripts write 8192."""
    vocab_size: int | None = None
    """Ids that the model has; the tokenizer must need no more. None where it is not known."""
    piece_bytes: int = 32 << 20
    """Bytes of an uncompressed jsonl file that are one worker's task. Changes no shard."""

    def __post_init__(self) -> None:
        for name in ("seq_len", "sequences_per_shard", "piece_bytes"):
            if getattr(self, name) < 1:
                raise ConfigError(
                    f"{name} is {getattr(self, name)}, less than 1", name, "give a count from 1 on"
                )
        if (self.order is DocumentOrder.SHUFFLED) != (self.seed is not None):
            raise ConfigError(
                f"order is {self.order} and seed is {self.seed}",
                where="seed",
                mend="give a seed with a shuffled order, and with no other",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One tokenization: what is read, and how."""

    config: TokenizeConfig
    """How documents become sequences."""
    tokenizer: Path
    """Hugging Face's `tokenizer.json`."""
    inputs: tuple[Path, ...]
    """The files of documents, in their order."""
    largest_id: int
    """The largest id that the tokenizer gives."""
    pieces: tuple[Piece, ...]
    """The inputs in their order, cut into tasks."""

    @property
    def id_type(self) -> str:
        """NumPy's name of the type that ids are kept in until they are in shards."""
        return "<u2" if self.largest_id < 2**16 else "<u4"

    def identity(self) -> dict[str, Plain]:
        """Return what decides the bytes of the shards. Files are named by name and content."""
        config = self.config
        return {
            "format": RECORD_FORMAT,
            "seq_len": config.seq_len,
            "field": config.field,
            "order": str(config.order),
            "seed": config.seed,
            "sequences_per_shard": config.sequences_per_shard,
            "tokenizer_sha256": hashlib.sha256(self.tokenizer.read_bytes()).hexdigest(),
            "inputs": [
                {"file": path.name, "fingerprint": fingerprints([path])[path.name]}
                for path in self.inputs
            ],
        }
