"""Checking that data and tokenizers belong together."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from models.data.checking.finding import Expected, Finding, of_error
from models.data.tokenizer import tokenizer_file
from models.data.tokenizing.encode import largest_id, open_tokenizer
from models.data.tokenizing.record import RECORD, TOKENIZER, recorded_vocabulary
from orchestrator.errors import DataError


def check_tokenizers(folder: Path, expected: Expected, made_with: str | None) -> Iterator[Finding]:
    """Yield the tokenizers of a part that cannot be read, or differ from what it was made with.

    Args:
        folder: the part.
        expected: names a tokenizer, or none.
        made_with: SHA-256 of the tokenizer that the part records; None if it records none.
    """
    first: Path | None = None
    for path in _tokenizers(folder, expected):
        try:
            open_tokenizer(path)
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
        except DataError as error:
            yield of_error(error, path)
            continue
        if made_with is None:
            made_with, first = digest, path
        elif digest != made_with:
            other = f"{first} beside the shards" if first else "the one the shards were made with"
            yield Finding(
                file=str(path),
                what=f"the tokenizer is not {other} ({digest[:12]}, not {made_with[:12]})",
                mend="use the tokenizer that the text was made with, or tokenize the text again",
            )


def check_recorded_size(folder: Path, expected: Expected) -> Iterator[Finding]:
    """Yield whether a part's tokenizer gives more ids than the model has, as its record says."""
    recorded = recorded_vocabulary(folder)
    if expected.vocab_size is not None and recorded is not None and recorded > expected.vocab_size:
        yield Finding(
            file=str(folder / RECORD),
            what=f"the shards were made with a tokenizer of {recorded} ids, the model has "
            f"{expected.vocab_size}",
            mend="tokenize the text with the model's own tokenizer, or enlarge the model's",
        )


def vocabulary_size(folder: Path, expected: Expected) -> int | None:
    """Return how many ids there are: as expected, or by a tokenizer that can be read, or recorded.

    None if nothing says so.
    """
    if expected.vocab_size is not None:
        return expected.vocab_size
    for path in _tokenizers(folder, expected):
        try:
            return largest_id(open_tokenizer(path)) + 1
        except DataError:
            continue
    return recorded_vocabulary(folder)


def _tokenizers(folder: Path, expected: Expected) -> list[Path]:
    """Return the tokenizers of a part: beside it, of its collection, and the one expected."""
    found = [folder / TOKENIZER, tokenizer_file(folder.parent)]
    own = [path for path in found if path.is_file()]
    return own if expected.tokenizer is None else [*own, expected.tokenizer]
