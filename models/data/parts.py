"""Indexing the parts of a collection, whatever they hold."""

from pathlib import Path

from models.data.captions import caption_index
from models.data.images import image_index
from models.data.index import Index
from models.data.instructions import instruction_index
from models.data.scenes import scene_index
from models.data.shards import token_index


def index_part(folder: Path) -> tuple[str, ...]:
    """Write the indexes that make opening a part fast, and return their names.

    Token shards, captioned images, scenes (a part named so) and instructions have one; a part of
    another kind has none. Opening works without, only slower.

    Raises:
        DataError: if the part is damaged.
    """
    indexes = _indexes(folder)
    for index in indexes:
        index.write()
    return tuple(index.name for index in indexes)


def _indexes(folder: Path) -> list[Index]:
    if (folder / "manifest.jsonl").exists():
        return [token_index(folder)]
    if (folder / "llava.json").exists():
        return [instruction_index(folder)]
    if not any(folder.glob("*.tar")):
        return []
    if folder.name == "scenes":
        return [image_index(folder), scene_index(folder)]
    return [image_index(folder), caption_index(folder)]
