"""What vouches for the files of a folder: `manifest.json`, written last, with sizes and hashes."""

import hashlib
from pathlib import Path

from orchestrator.errors import RecordError
from orchestrator.store.checkpoint_files import MANIFEST_FILE
from orchestrator.store.files import read_json, write_json

HASH_BYTES = 1 << 22
"""Bytes read at a time while hashing."""


def write_manifest(folder: Path) -> None:
    """Write down what lies in a folder now."""
    files = sorted(path for path in folder.iterdir() if path.name != MANIFEST_FILE)
    write_json(folder / MANIFEST_FILE, {path.name: _facts(path) for path in files})


def verify(folder: Path) -> None:
    """Compare a folder's files with its manifest.

    Raises:
        RecordError: naming the first file that is missing or differs.
    """
    manifest = read_json(folder / MANIFEST_FILE)
    for name, expected in manifest.items():
        path = folder / name
        if not path.is_file() or _facts(path) != expected:
            raise RecordError(
                "the file is missing or differs from its folder's manifest",
                where=str(path),
                mend="remove the folder and launch the run that made it again",
            )


def _facts(path: Path) -> dict[str, object]:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(HASH_BYTES):
            digest.update(chunk)
    return {"bytes": path.stat().st_size, "sha256": digest.hexdigest()}
