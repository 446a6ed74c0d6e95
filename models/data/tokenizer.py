"""The tokenizer of a collection of data sets, and the ids that every one of them shares."""

import hashlib
from pathlib import Path

from tokenizers import Tokenizer

from orchestrator.errors import DataError

END_OF_TEXT = 0
"""Ends every document, caption and answer; OpenLM's and GPT-NeoX's id."""
PADDING = 1
"""Fills sequences; never seen by a supervised position."""
IMAGE = -1
"""Stands at each position that an image's patch takes. No tokenizer's id: a projected feature is
there, not an embedding, and GPT-NeoX's ids from 2 on are all words."""

SPECIAL_TOKENS = ("<|endoftext|>", "<|padding|>")
"""Texts of the ids that every tokenizer shares, in their order."""


def tokenizer_file(collection_folder: Path) -> Path:
    """Return where a collection keeps its tokenizer."""
    return collection_folder / "tokenizer.json"


def load_tokenizer(collection_folder: Path) -> Tokenizer:
    """Read a collection's tokenizer (Hugging Face's `tokenizer.json`).

    Raises:
        DataError: if it is missing, damaged or gives the special tokens other ids.
    """
    path = tokenizer_file(collection_folder)
    try:
        tokenizer = Tokenizer.from_str(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(
            "the tokenizer is missing", str(path), "make the data again with `sweep data make`"
        ) from error
    except Exception as error:  # what the library raises for text that is no tokenizer
        raise DataError(
            f"the tokenizer cannot be read ({error})", str(path), "restore or remake the file"
        ) from error
    for expected, token in enumerate(SPECIAL_TOKENS):
        if tokenizer.token_to_id(token) != expected:
            raise DataError(
                f"{token} has id {tokenizer.token_to_id(token)}, not {expected}",
                where=str(path),
                mend=f"give {', '.join(SPECIAL_TOKENS)} the ids from 0 on",
            )
    tokenizer.no_truncation()  # files may ask for either, and each would change texts in silence
    tokenizer.no_padding()
    return tokenizer


def tokenizer_digest(collection_folder: Path) -> str:
    """Name a tokenizer by its content, so that an index made with another one is not used.

    Raises:
        DataError: if the file is missing.
    """
    path = tokenizer_file(collection_folder)
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    except FileNotFoundError as error:
        raise DataError(
            "the tokenizer is missing", str(path), "make the data again with `sweep data make`"
        ) from error
