"""Tokenizing one piece: its documents' ids one after the other, each document ended.

Text in a document that reads like a special token is text: no document can end another, or stand
for an image.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import lru_cache
from itertools import chain
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from models.data.tokenizer import END_OF_TEXT, PADDING, SPECIAL_TOKENS
from models.data.tokenizing.documents import Document, Piece, read_documents
from models.data.tokenizing.work import PieceFiles
from orchestrator.errors import DataError
from orchestrator.store.files import replacing, write_json

_DOCUMENTS, _CHARACTERS = 256, 1 << 20
"""A batch for the tokenizer has at most so many documents, and ends after so many characters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PieceTask:
    """One piece to tokenize, and where to."""

    piece: Piece
    """What is read."""
    files: PieceFiles
    """What is written."""
    field: str
    """Key or column of the text."""
    tokenizer: Path
    """Hugging Face's `tokenizer.json`."""
    id_type: str
    """NumPy's name of the type that ids are written in."""
    most_faults: int
    """The piece is given up when it has more documents that cannot be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PieceCounts:
    """What a piece holds."""

    places: int
    """Lines or rows, blank lines among them."""
    documents: int
    """Documents that were tokenized."""
    tokens: int
    """Ids of them, with one `END_OF_TEXT` for each."""
    faults: tuple[tuple[int, str], ...]
    """Documents that were left out: place in the piece from 0, and why."""


def open_tokenizer(path: Path) -> Tokenizer:
    """Open a `tokenizer.json` for documents, checked against OpenLM's convention.

    It adds no token at the beginning or end, pads and cuts nothing, whatever its file asks for.

    Raises:
        DataError: if it is missing or damaged, or gives end of text or padding another id.
    """
    try:
        facts = path.stat()
        return _opened(path, facts.st_mtime_ns, facts.st_size)
    except FileNotFoundError as error:
        raise DataError(
            "the tokenizer is missing", str(path), "name Hugging Face's tokenizer.json"
        ) from error


@lru_cache(maxsize=1)
def _opened(path: Path, changed: int, size: int) -> Tokenizer:  # noqa: ARG001  (keys of the cache)
    try:
        tokenizer = Tokenizer.from_str(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise
    except Exception as error:  # what the library raises for text that is no tokenizer
        raise DataError(
            f"the tokenizer cannot be read ({error})", str(path), "name a tokenizer.json"
        ) from error
    for expected in (END_OF_TEXT, PADDING):
        token = SPECIAL_TOKENS[expected]
        if tokenizer.token_to_id(token) != expected:
            raise DataError(
                f"{token} has id {tokenizer.token_to_id(token)}, not {expected}",
                where=str(path),
                mend="use a tokenizer of GPT-NeoX's convention, as OpenLM does: end of text is 0",
            )
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer.encode_special_tokens = True
    return tokenizer


def largest_id(tokenizer: Tokenizer) -> int:
    """Return the largest id that a tokenizer gives."""
    return max(tokenizer.get_vocab(with_added_tokens=True).values())


def encode_piece(task: PieceTask) -> PieceCounts:
    """Tokenize one piece and write its files, the counts last.

    Where the piece has too many faults it is given up, and nothing is written.

    Raises:
        DataError: if the file is damaged.
    """
    tokenizer = open_tokenizer(task.tokenizer)
    lengths: list[int] = []
    faults: list[tuple[int, str]] = []
    places = 0
    with replacing(task.files.ids) as temporary, temporary.open("wb") as stream:
        for batch in _batches(read_documents(task.piece, task.field)):
            places = batch[-1].place + 1
            good = [one for one in batch if one.fault is None and not one.is_blank]
            ids = _encoded(tokenizer, [document.text for document in good])
            sizes = [len(one) for one in ids]
            faults += [(document.place, document.fault) for document in batch if document.fault]
            faults += [
                (document.place, "it is empty: the tokenizer makes no token of it")
                for document, size in zip(good, sizes, strict=True)
                if not size
            ]
            if len(faults) > task.most_faults:
                break
            ended = [[*one, END_OF_TEXT] for one in ids if one]
            lengths += [len(one) for one in ended]
            np.fromiter(chain.from_iterable(ended), np.dtype(task.id_type)).tofile(stream)
    counts = PieceCounts(
        places=places, documents=len(lengths), tokens=sum(lengths), faults=tuple(sorted(faults))
    )
    if len(faults) <= task.most_faults:
        with replacing(task.files.lengths) as temporary:
            np.array(lengths, dtype="<i8").tofile(temporary)
        write_json(task.files.counts, asdict(counts))
    return counts


def read_counts(files: PieceFiles) -> PieceCounts | None:
    """Return the counts of a piece that is done; None if it is not."""
    try:
        entry = json.loads(files.counts.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    entry["faults"] = tuple((place, reason) for place, reason in entry["faults"])
    return PieceCounts(**entry)


def _encoded(tokenizer: Tokenizer, texts: list[str]) -> list[list[int]]:
    encodings = tokenizer.encode_batch_fast(texts, add_special_tokens=False)
    return [encoding.ids for encoding in encodings]


def _batches(documents: Iterator[Document]) -> Iterator[list[Document]]:
    batch: list[Document] = []
    characters = 0
    for document in documents:
        batch.append(document)
        characters += len(document.text)
        if len(batch) >= _DOCUMENTS or characters >= _CHARACTERS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch
