"""Checking rows of LLaVA's format: turns, answers and images."""

import json
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import cast

from models.data.checking.finding import Finding
from models.data.conversations import is_unicode
from models.data.images import IMAGE_SUFFIXES
from models.data.pixels import image_fault
from models.data.prompt import PLACEHOLDER
from models.data.tars import read_samples, tar_files
from orchestrator.errors import DataError

_SPEAKERS = ("human", "gpt")
_FORM = 'write "conversations": [{"from": "human", "value": ...}, {"from": "gpt", ...}, ...]'
_TURNS = "let human and gpt take turns, human first and gpt last"
_ANSWER = "give every human turn an answer, or leave the row out"
_UNICODE = "write the file again from its source, or leave the row out"
_IMAGE = "put the image there, or leave the row out"

Fault = tuple[str, str]
"""What is wrong, and how to mend it."""


def check_conversations(path: Path) -> Iterator[Finding]:
    """Yield what is wrong with a file of LLaVA's rows; images are looked for beside the file."""
    try:
        rows: object = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        what = f"the rows cannot be read ({error})"
        yield Finding(file=str(path), what=what, mend="make or fetch the file again")
        return
    if not isinstance(rows, list) or not rows:
        what = "there is no list of rows"
        yield Finding(file=str(path), what=what, mend="write LLaVA's list of rows")
        return
    pictures = _Pictures(path.parent)
    for index, row in enumerate(cast(list[object], rows)):
        for what, mend in _row_faults(row, pictures):
            yield Finding(file=str(path), index=index, what=what, mend=mend)


class _Pictures:
    """The images of a part: files below it, or samples of its tar files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._in_tar: dict[str, str | None] | None = None
        if any(folder.glob("*.tar")):
            self._in_tar = dict(_tar_faults(folder))
        self.fault = cache(self._fault)

    def _fault(self, image: str) -> str | None:
        if self._in_tar is not None:
            return self._in_tar.get(image, f"there is no image {image} in the tar files")
        path = self._folder / image
        if path.suffix[1:].lower() not in IMAGE_SUFFIXES:
            return f"image {image} is not one of {', '.join(IMAGE_SUFFIXES)}"
        try:
            content = path.read_bytes()
        except OSError:
            return f"there is no image {image}"
        return _named(image, image_fault(content))


def _named(image: str, fault: str | None) -> str | None:
    return None if fault is None else f"{image}: {fault}"


def _tar_faults(folder: Path) -> Iterator[tuple[str, str | None]]:
    for file in tar_files(folder):
        try:
            for sample in read_samples(file):
                for suffix in IMAGE_SUFFIXES:
                    if suffix in sample.fields:
                        fault = image_fault(sample.fields[suffix])
                        yield sample.key, _named(sample.key, fault)
        except DataError:
            continue  # its images are missing, and each row that needs one says so


def _row_faults(row: object, pictures: _Pictures) -> Iterator[Fault]:
    turns = _turns(row)
    if turns is None:
        yield "the row is not in LLaVA's format", _FORM
        return
    fields = cast(dict[str, object], row)
    yield from _turn_faults(turns)
    image = fields.get("image")
    if image is not None and not isinstance(image, str):
        yield f"its image is {image!r}, no path", "name one image, or leave the key out"
    else:
        yield from _placeholder_faults(turns, has_image=image is not None)
        fault = None if image is None else pictures.fault(image)
        if fault is not None:
            yield fault, _IMAGE


def _turns(row: object) -> list[tuple[str, str]] | None:
    """Return (speaker, text) of each turn; None if the row is of another form."""
    try:
        entries = cast(dict[str, list[dict[str, object]]], row)["conversations"]
        turns = [(entry["from"], entry["value"]) for entry in entries]
    except (KeyError, TypeError, IndexError):
        return None
    if not turns or not all(isinstance(part, str) for turn in turns for part in turn):
        return None
    return cast(list[tuple[str, str]], turns)


def _turn_faults(turns: list[tuple[str, str]]) -> Iterator[Fault]:
    speakers = [speaker for speaker, _ in turns]
    for speaker in sorted(set(speakers) - set(_SPEAKERS)):
        yield f"a turn is from {speaker!r}", _TURNS
    for number, (one, other) in enumerate(pairwise(speakers), start=1):
        if one == other:
            yield f"turns {number - 1} and {number} are both from {one}", _TURNS
    if speakers[0] != _SPEAKERS[0] or speakers[-1] != _SPEAKERS[1]:
        yield f"the first turn is from {speakers[0]}, the last from {speakers[-1]}", _TURNS
    for number, (speaker, text) in enumerate(turns):
        if not text.replace(PLACEHOLDER, "").strip():
            name = "answer" if speaker == "gpt" else "question"
            yield f"the {name} in turn {number} is empty", _ANSWER
        if not is_unicode(text):
            yield f"turn {number} holds half a surrogate pair, which is no Unicode", _UNICODE


def _placeholder_faults(turns: list[tuple[str, str]], *, has_image: bool) -> Iterator[Fault]:
    first = turns[0][1]
    count = sum(text.count(PLACEHOLDER) for _, text in turns)
    mend = f"write {PLACEHOLDER} once, first or last in the first human turn of a row with an image"
    if not has_image and count:
        yield f"{PLACEHOLDER} stands in a row that names no image", mend
    elif has_image and not first.startswith(PLACEHOLDER) and not first.endswith(PLACEHOLDER):
        yield f"the first turn neither begins nor ends with {PLACEHOLDER}", mend
    elif has_image and count > 1:
        yield f"{PLACEHOLDER} stands there {count} times", mend
