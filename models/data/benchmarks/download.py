"""A folder of downloaded files: finds them, reads them whole, and remembers which were read."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import cast

from models.evaluation.question import Row
from orchestrator.errors import DataError

Pairs = list[tuple[str, object]]


@dataclass(frozen=True, slots=True)
class Download:
    """A folder with the published files of one data set."""

    folder: Path
    read: list[Path] = field(default_factory=list[Path])
    """Files that were read, for the record."""
    notes: list[str] = field(default_factory=list[str])
    """What was not there and can be done without, a line each."""

    def find(self, *names: str) -> Path | None:
        """Return the first of these paths inside the folder that is there."""
        return next((self.folder / name for name in names if (self.folder / name).exists()), None)

    def path(self, name: str, *others: str) -> Path:
        """Return the first of these paths inside the folder that is there.

        Raises:
            DataError: if none is there.
        """
        found = self.find(name, *others)
        if found is None:
            also = f" (or {', '.join(others)})" if others else ""
            raise DataError(
                f"there is no {name}{also}",
                str(self.folder),
                "download and unpack it there; `sweep data benchmarks list` says what is read",
            )
        return found

    def json(self, name: str, *others: str) -> tuple[Path, object]:
        """Read the first of these JSON files that is there, and return its path too.

        Raises:
            DataError: if it is missing, not JSON in UTF-8, or an object has a key twice.
        """
        path = self.path(name, *others)
        self.read.append(path)
        return path, read_json(path)

    def lines(self, name: str, *others: str) -> Iterator[Row]:
        """Read the first of these files that is there, a JSON object in each line.

        Raises:
            DataError: if it is missing, or a line is no JSON object in UTF-8.
        """
        path = self.path(name, *others)
        self.read.append(path)
        for number, line in enumerate(_content(path).split(b"\n"), start=1):
            if line.strip():
                where = f"{path}: line {number}"
                yield as_row(_parsed(line, where), where)


def read_json(path: Path, *, strict: bool = True) -> object:
    """Read a JSON file in UTF-8.

    Args:
        path: the file.
        strict: whether an object that has a key twice is refused; otherwise its last value counts.

    Raises:
        DataError: if it cannot be read.
    """
    return _parsed(_content(path), str(path), strict=strict)


def as_row(value: object, where: str) -> Row:
    """Take a value for an object of keys and values.

    Raises:
        DataError: if it is none.
    """
    if not isinstance(value, dict):
        raise DataError("there is no JSON object here", where, "download the file again")
    return Row(cast(dict[str, object], value), where)


def as_rows(value: object, where: str) -> Iterator[Row]:
    """Take a value for a list of objects, each located by its position.

    Raises:
        DataError: if it is none, or one of its items.
    """
    if not isinstance(value, list):
        raise DataError("there is no JSON list here", where, "download the file again")
    for number, item in enumerate(cast(list[object], value)):
        yield as_row(item, f"{where}: {number}")


def inside(row: Row, key: str) -> str:
    """Return a row's path of an image, which must lie inside the images' folder.

    Raises:
        DataError: if it is missing, absolute or leads out of the folder.
    """
    text = row.text(key)
    path = PurePosixPath(text)
    if not text or path.is_absolute() or ".." in path.parts or "\\" in text:
        raise row.refuse(key, "a path inside the images' folder")
    return path.as_posix()


def whole_numbers(row: Row, key: str) -> list[int]:
    """Return a list of whole numbers, also where they are written as text.

    Raises:
        DataError: if it is missing or something else.
    """
    value = row.values.get(key)
    items = cast(list[object], value) if isinstance(value, list) else None
    texts = None if items is None else [str(item) for item in items]
    if texts is None or not all(text.isdecimal() for text in texts):
        raise row.refuse(key, "a list of whole numbers")
    return [int(text) for text in texts]


def corner_shares(row: Row, key: str, box: object, size: tuple[int, int]) -> list[float]:
    """Turn a box of corners x1, y1, x2, y2 in pixels into shares of the image, in two decimals.

    Args:
        row: which the box is of, for messages.
        key: of the box in it.
        box: what ought to be four numbers.
        size: width and height of the image, in pixels.

    Raises:
        DataError: if it is no box, or leaves the image.
    """
    width, height = size
    corners = cast(list[object], box) if isinstance(box, list) else []
    numbers = [float(side) for side in corners if isinstance(side, int | float)]
    is_box = len(corners) == len(numbers) == 4
    if is_box:
        left, top, right, bottom = numbers
        is_box = 0 <= left < right <= width and 0 <= top < bottom <= height
    if not is_box:
        raise row.refuse(key, f"a box of four sides inside an image of {width} x {height} pixels")
    sides = (width, height, width, height)
    return [round(number / side, 2) for number, side in zip(numbers, sides, strict=True)]


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(
            f"the file cannot be read ({error.strerror})", str(path), "download it again"
        ) from error


def _parsed(content: bytes, where: str, *, strict: bool = True) -> object:
    try:
        text = content.decode("utf-8-sig")
        return json.loads(text, object_pairs_hook=_hook(where) if strict else None)
    except UnicodeDecodeError as error:
        raise DataError(
            f"byte {error.start} is no UTF-8", where, "download the file again"
        ) from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"this is no JSON ({error})", where, "download the file again") from error


def _hook(where: str) -> Callable[[Pairs], dict[str, object]]:
    """Return what makes an object of keys and values, none of them twice."""

    def once(pairs: Pairs) -> dict[str, object]:
        found = dict(pairs)
        if len(found) < len(pairs):
            key, _ = Counter(key for key, _ in pairs).most_common(1)[0]
            raise DataError(
                f"the key {key!r} is there twice", f"{where}: {key}", "download the file again"
            )
        return found

    return once
