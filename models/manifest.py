"""What vouches for the files of a folder: `manifest.json`, written last, with sizes and hashes."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from orchestrator.errors import RecordError
from orchestrator.store.checkpoint_files import MANIFEST_FILE
from orchestrator.store.files import read_json, write_json

HASH_BYTES = 1 << 22
"""Bytes read at a time while hashing."""


Facts = dict[str, object]
"""A file's size and hash, as a manifest holds them."""


def write_manifest(folder: Path, known: Mapping[str, Facts] | None = None) -> None:
    """Write down what lies in a folder now.

    Args:
        folder: whose files.
        known: facts of some of them, which are not read again.
    """
    known = known or {}
    files = sorted(path for path in folder.iterdir() if path.name != MANIFEST_FILE)
    facts = {path.name: known.get(path.name) or facts_of(path) for path in files}
    write_json(folder / MANIFEST_FILE, facts)


def verify(folder: Path, *, part: int = 0, parts: int = 1) -> None:
    """Compare a folder's files with its manifest.

    Args:
        folder: whose files.
        part: which of them, where several processes take equal numbers of them.
        parts: how many processes do.

    Raises:
        RecordError: naming the first file that is missing or differs.
    """
    manifest = read_json(folder / MANIFEST_FILE)
    for name, expected in sorted(manifest.items())[part::parts]:
        path = folder / name
        if not path.is_file() or facts_of(path) != expected:
            raise RecordError(
                "the file is missing or differs from its folder's manifest",
                where=str(path),
                mend="remove the folder and launch the run that made it again",
            )


def facts_of(path: Path) -> Facts:
    """Return a file's size and hash."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(HASH_BYTES):
            digest.update(chunk)
    return {"bytes": path.stat().st_size, "sha256": digest.hexdigest()}
