"""Refusing files that hold the same: what they hold would be trained on twice as often."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from orchestrator.errors import DataError
from orchestrator.spec.codec import Plain


def refuse_doubled(files: list[Path], prints: Mapping[str, Plain]) -> None:
    """Refuse two files of the same bytes.

    Args:
        files: of one folder.
        prints: their fingerprints by name. Only files whose fingerprints agree are read.

    Raises:
        DataError: naming both.
    """
    first: dict[Plain, Path] = {}
    for file in files:
        other = first.setdefault(prints[file.name], file)
        if other != file and _digest(other) == _digest(file):
            raise DataError(
                f"it is the same file as {other.name}",
                where=str(file),
                mend="remove one of the two, with its line in the manifest if there is one",
            )


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
