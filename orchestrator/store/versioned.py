"""Records as JSON files with a version of their format, read strictly."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar, cast

from orchestrator.errors import ConfigError, RecordError
from orchestrator.spec.codec import Plain, decode, encode
from orchestrator.store.files import read_json, write_json

FORMAT = 1
"""Version of these files. Raise when a reader of the old ones would be misled."""

T = TypeVar("T")


def timestamp(now: datetime) -> str:
    """Write an instant as ISO 8601 in UTC, to the millisecond."""
    return now.astimezone(UTC).isoformat(timespec="milliseconds")


def versioned(record: object) -> dict[str, Plain]:
    """Return a record as it is written: its fields and the version."""
    return {"format": FORMAT, **cast(dict[str, Plain], encode(record))}


def write_record(path: Path, record: object) -> None:
    """Write a record whole."""
    write_json(path, versioned(record))


def read_record(kind: type[T], path: Path) -> T:
    """Read a record.

    Raises:
        RecordError: if it is missing, damaged, or of another version.
    """
    value = load_record(path)
    try:
        return decode(kind, value)
    except ConfigError as error:
        raise damaged_record(path, error) from error


def load_record(path: Path) -> dict[str, object]:
    """Read a record's fields, not yet typed.

    Raises:
        RecordError: if the file is missing, no JSON, or of another version.
    """
    value = dict(read_json(path))
    version = value.pop("format", None)
    if version != FORMAT:
        raise RecordError(
            f"its format is {version!r}, not {FORMAT}", str(path), "use the version that wrote it"
        )
    return value


def damaged_record(path: Path, error: ConfigError) -> RecordError:
    """Say that a record cannot be what was written."""
    return RecordError(error.what, f"{path}: {error.where}", "move it away and launch again")
