"""Index files that vlm-evaluation has made: their rows and their order are kept."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from models.data.benchmarks.download import Download, as_row, inside
from models.data.benchmarks.published import Found, Published
from orchestrator.errors import DataError


def read_ready(index: Path, published: Published, download: Download) -> Iterator[Found]:
    """Yield the rows of an index file; images lie below a folder that holds the file.

    Raises:
        DataError: if the file is damaged.
    """
    _, value = download.json(index.name)
    rows = [
        (key, as_row(item, f"{index}: {key}"))
        for key, item in as_row(value, str(index)).values.items()
    ]
    if not rows:
        raise DataError("the index holds no question", str(index), "make the index again")
    root = _root(index, inside(rows[0][1], "img_path"))
    for key, row in rows:
        name = inside(row, "img_path")
        yield Found(
            key=key,
            row=_without_path(row.values),
            picture=root / name,
            place=f"images/{published.name}/{name}",
            where=row.where,
        )


def _root(index: Path, image: str) -> Path:
    """Return the folder that paths of images are relative to: the nearest where one is."""
    folders = index.absolute().parents
    return next((folder for folder in folders if (folder / image).is_file()), folders[0])


def _without_path(values: Mapping[str, object]) -> dict[str, object]:
    return {key: value for key, value in values.items() if key != "img_path"}
