"""Indexing the parts of a collection, whatever they hold."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from models.data.bad import MOST_BAD, Bad, bad_of
from models.data.captions import caption_index
from models.data.images import image_index
from models.data.index import Index
from models.data.instructions import instruction_index
from models.data.kinds import part_kind
from models.data.scenes import scene_index
from models.data.shards import token_index
from orchestrator.spec.codec import Plain


def index_part(folder: Path, most_bad: int = MOST_BAD) -> dict[str, tuple[Bad, ...]]:
    """Write the indexes that make opening a part fast.

    Token shards, captioned images, scenes (a part named so) and instructions have one; a part of
    another kind has none. Opening works without, only slower.

    Args:
        folder: the part.
        most_bad: samples that may be left out. At least 0.

    Returns:
        The samples that are left out, by the name of each index.

    Raises:
        DataError: if the part is damaged, or more samples are bad than may be left out.
    """
    indexes = _indexes(folder, most_bad)
    written = {index.name: index.write() for index in indexes}
    return {
        name: bad_of(arrays) if "bad_places" in arrays else () for name, arrays in written.items()
    }


def index_parts(
    folders: Sequence[Path], most_bad: int, report: Callable[[str], None]
) -> Iterator[dict[str, Plain]]:
    """Write the indexes of parts, and yield for each what was written and left out.

    Yields:
        `path`, `indexes` (their names) and `left_out` (place and reason of each sample).

    Raises:
        DataError: if a part is missing or damaged, or has too many bad samples.
    """
    for folder in folders:
        part_kind(folder)  # refuses what is no part
        report(f"indexing {folder}")
        written = index_part(folder, most_bad)
        left_out: list[Plain] = [
            {"place": one.place, "reason": one.reason} for bad in written.values() for one in bad
        ]
        yield {"path": str(folder), "indexes": list(written), "left_out": left_out}


def _indexes(folder: Path, most_bad: int) -> list[Index]:
    if (folder / "manifest.jsonl").exists():
        return [token_index(folder)]
    if (folder / "llava.json").exists():
        return [instruction_index(folder, most_bad=most_bad)]
    if not any(folder.glob("*.tar")):
        return []
    if folder.name == "scenes":
        return [image_index(folder), scene_index(folder)]
    return [image_index(folder), caption_index(folder, most_bad)]
