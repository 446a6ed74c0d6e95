"""Write files whole or not at all."""

import json
import os
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from orchestrator.errors import RecordError


@contextmanager
def replacing(path: Path) -> Generator[Path]:
    """Give a temporary path in the same folder, which becomes `path` when the block ends well.

    The content is flushed to disk before the name changes, and the folder after it, so that a
    crash leaves the old file or the new one, never a part of either.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)
        sync(temporary)
        temporary.replace(path)
        sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Replace a file's content at once."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: object) -> None:
    """Replace a file by readable JSON with sorted keys."""
    write_text(path, json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n")


def read_json(path: Path) -> dict[str, object]:
    """Read a JSON object.

    Raises:
        RecordError: if the file is missing, cut off or not an object.
    """
    try:
        value: object = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise RecordError(
            "the file is missing", str(path), "run `sweep launch` to make it"
        ) from error
    except (OSError, ValueError) as error:
        raise RecordError(
            f"the file cannot be read ({error})", str(path), "move it away and launch again"
        ) from error
    if not isinstance(value, dict):
        raise RecordError("the file holds no JSON object", str(path), "move it away")
    return value  # pyright: ignore[reportUnknownVariableType]  (keys of JSON objects are text)


def sync(path: Path) -> None:
    """Flush a file, or the names in a folder, to disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
