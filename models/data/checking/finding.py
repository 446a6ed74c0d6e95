"""One thing that is wrong with a data set."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

from orchestrator.errors import DataError

PER_FILE = 20
"""Findings of one file that are told one by one; the others are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What is wrong, where, and how to mend it."""

    file: str
    """The file."""
    index: int | None = None
    """Of the sequence, sample or row in it, from 0; of a manifest's line, from 1. None for all."""
    what: str
    """What is wrong, with the value."""
    mend: str
    """How to put it right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What data are checked against, beside themselves."""

    tokenizer: Path | None = None
    """Hugging Face's `tokenizer.json`; None for the one beside the shards or in the collection."""
    vocab_size: int | None = None
    """Ids that the model has; None for the tokenizer's."""
    seq_len: int | None = None
    """T: sequences have T + 1 ids, captions fit in T positions. None for what the data say."""


def of_error(error: DataError, file: Path, index: int | None = None) -> Finding:
    """Return a reader's error as a finding."""
    return Finding(file=str(file), index=index, what=error.what, mend=error.mend)


def shortened(findings: Iterable[Finding]) -> Iterator[Finding]:
    """Yield the first findings of each file, and one that counts the others.

    Findings of one file must come one after the other.
    """
    for _, of_file in groupby(findings, key=lambda finding: finding.file):
        last, more = None, 0
        for number, finding in enumerate(of_file):
            if number < PER_FILE:
                yield finding
            else:
                last, more = finding, more + 1
        if last is not None:
            yield replace(last, index=None, what=f"{more} more, the last of them: {last.what}")
