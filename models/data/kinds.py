"""What a path of data holds: token shards, captioned images, or LLaVA's rows."""

from enum import StrEnum
from pathlib import Path

from models.data.images import IMAGE_SUFFIXES
from models.data.tars import read_samples, tar_files
from orchestrator.errors import DataError


class PartKind(StrEnum):
    """The formats that are counted and checked."""

    TOKENS = "token shards"
    CAPTIONS = "captioned images"
    CONVERSATIONS = "conversations"


def part_kind(path: Path) -> PartKind:
    """Return what a folder, or a file of LLaVA's rows, holds.

    Tar files are of token shards if a manifest lies beside them, or their first sample has no
    image.

    Raises:
        DataError: if it is missing or holds none of the formats.
    """
    if path.is_file() and path.suffix == ".json":
        return PartKind.CONVERSATIONS
    if (path / "manifest.jsonl").exists():
        return PartKind.TOKENS
    if (path / "llava.json").exists():
        return PartKind.CONVERSATIONS
    if any(path.glob("*.tar")):
        return PartKind.CAPTIONS if _begins_with_image(tar_files(path)[0]) else PartKind.TOKENS
    if not path.exists():
        raise DataError("there is nothing here", str(path), "name a folder or file that is there")
    parts = sorted(part.name for part in path.iterdir() if part.is_dir()) if path.is_dir() else []
    raise DataError(
        "it holds neither tar files nor rows of LLaVA's format",
        where=str(path),
        mend=f"name one of its parts: {', '.join(parts)}" if parts else "name a part of a data set",
    )


def conversations_file(path: Path) -> Path:
    """Return the file of rows that a path of conversations stands for."""
    return path / "llava.json" if path.is_dir() else path


def _begins_with_image(file: Path) -> bool:
    """Return whether the first sample has an image; a damaged file is taken for one that has."""
    try:
        sample = next(read_samples(file), None)
    except DataError:
        return True
    return sample is None or any(suffix in sample.fields for suffix in IMAGE_SUFFIXES)
