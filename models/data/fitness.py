"""Whether data fit a model and one another: ids within the vocabulary, one tokenizer for all."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.data.tokenizer import tokenizer_digest, tokenizer_file
from models.data.tokenizing.record import RECORD, made_with, recorded_vocabulary
from orchestrator.errors import DataError

_ROWS = 1 << 14
"""Rows of ids that are searched at a time."""


def check_ids(
    ids: NDArray[np.integer[Any]],
    vocab_size: int | None,
    place: Callable[[int], str],
    largest: int | None = None,
) -> None:
    """Refuse ids that a model has no embedding of.

    Args:
        ids: of any shape.
        vocab_size: ids that the model has; None for a model that is not known.
        place: names where the row (or single id) of a number stands.
        largest: the largest id, where it is known already.

    Raises:
        DataError: naming the first one and its place.
    """
    if vocab_size is None or ids.size == 0 or (largest is not None and largest < vocab_size):
        return
    for start in range(0, len(ids), _ROWS):
        part = np.asarray(ids[start : start + _ROWS])
        if part.max() < vocab_size:
            continue
        beyond = part >= vocab_size
        row = int(np.flatnonzero(beyond.reshape(len(part), -1).any(axis=1))[0])
        raise DataError(
            f"id {part[row][beyond[row]].flat[0]} is beyond the vocabulary of {vocab_size}",
            where=place(start + row),
            mend="tokenize the data with the model's own tokenizer, or enlarge the model's "
            "vocab_size",
        )


def check_vocabulary(folder: Path, vocab_size: int | None) -> None:
    """Refuse shards whose tokenizer gives more ids than a model has, as their record says.

    Raises:
        DataError: naming both sizes.
    """
    recorded = recorded_vocabulary(folder)
    if vocab_size is not None and recorded is not None and recorded > vocab_size:
        raise DataError(
            f"the shards were made with a tokenizer of {recorded} ids, the model has {vocab_size}",
            where=str(folder / RECORD),
            mend="tokenize the text with the model's own tokenizer, or enlarge the model's "
            "vocab_size",
        )


def check_tokenizers(parts: Mapping[str, Path]) -> None:
    """Refuse parts that were made with different tokenizers: their ids mean different words.

    Parts that do not say what they were made with, and have no tokenizer, are taken to fit.

    Args:
        parts: folders by what they are read as.

    Raises:
        DataError: naming two parts that differ.
    """
    known: tuple[str, str] | None = None
    for name, folder in parts.items():
        for digest, source in _tokenizers(folder):
            if known is None:
                known = digest, f"{name} ({source})"
            elif digest != known[0]:
                raise DataError(
                    f"{name} has another tokenizer ({digest}) than {known[1]} ({known[0]})",
                    where=source,
                    mend="use the tokenizer that the text was made with for all data of a run, "
                    "or tokenize the text again",
                )


def _tokenizers(folder: Path) -> list[tuple[str, str]]:
    """Return the digests of a part's tokenizers, and where each is told."""
    recorded = made_with(folder)
    found = [] if recorded is None else [(recorded[:16], str(folder / RECORD))]
    if tokenizer_file(folder.parent).is_file():
        file = str(tokenizer_file(folder.parent))
        found.append((tokenizer_digest(folder.parent), file))
    return found
