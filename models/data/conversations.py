"""LLaVA's instruction format: a JSON list of conversations.

A row is `{"id", "image" (absent in rows of text), "conversations": [{"from": "human", "value"},
{"from": "gpt", "value"}, ...]}`.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from models.data.prompt import PLACEHOLDER
from orchestrator.errors import DataError


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """One row of LLaVA's format, checked."""

    image: str | None
    """Path of its image inside the part; None for a row of text."""
    turns: tuple[tuple[str, str], ...]
    """Questions, without the image's placeholder, and answers."""


def read_rows(path: Path) -> list[Conversation | DataError]:
    """Read the rows of a LLaVA file; what is wrong with a row stands in its place.

    Raises:
        DataError: if there is no list of rows.
    """
    try:
        rows: object = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(
            f"the rows cannot be read ({error})", str(path), "make or fetch the file again"
        ) from error
    if not isinstance(rows, list) or not rows:
        raise DataError("there is no list of rows", str(path), "write LLaVA's list of rows")
    return [
        _checked(f"{path}: row {number}", row)
        for number, row in enumerate(cast(list[object], rows))
    ]


def _checked(where: str, row: object) -> Conversation | DataError:
    try:
        return _conversation(where, row)
    except DataError as error:
        return error


def _conversation(where: str, row: object) -> Conversation:
    try:
        fields = cast(dict[str, Any], row)
        image: object = fields.get("image")
        speakers = [str(turn["from"]) for turn in fields["conversations"]]
        texts = [turn["value"] for turn in fields["conversations"]]
        if not all(isinstance(text, str) for text in texts):
            raise TypeError("a value is no text")
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"the row is not in LLaVA's format ({error!r})",
            where,
            'give it "conversations": [{"from": "human", "value": ...}, {"from": "gpt", ...}]',
        ) from error
    if not speakers or speakers != ["human", "gpt"] * (len(speakers) // 2):
        raise DataError(
            f"the speakers are {', '.join(speakers) or 'none'}",
            where,
            "let human and gpt take turns, human first and gpt last",
        )
    if image is not None and not isinstance(image, str):
        raise DataError(
            f"its image is {image!r}, no path", where, "name one image, or leave the key out"
        )
    if image is not None:
        texts[0] = _without_placeholder(where, texts[0])
    if any(PLACEHOLDER in text for text in texts):
        raise DataError(
            f"{PLACEHOLDER} stands where no image can be",
            where,
            f"write {PLACEHOLDER} once, in the first human turn of a row that names an image",
        )
    for number, text in enumerate(texts):
        _check_text(where, number, text)
    return Conversation(image=image, turns=tuple(zip(texts[::2], texts[1::2], strict=True)))


def _check_text(where: str, number: int, text: str) -> None:
    name = "answer" if number % 2 else "question"
    if not text.strip():
        raise DataError(
            f"the {name} in turn {number} is empty", where, "give every human turn an answer"
        )
    if not is_unicode(text):
        raise DataError(
            f"the {name} in turn {number} holds half a surrogate pair, which is no Unicode",
            where,
            "write the file again from its source",
        )


def is_unicode(text: str) -> bool:
    """Return whether a text holds no half of a surrogate pair, which JSON can escape."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _without_placeholder(where: str, text: str) -> str:
    if text.startswith(PLACEHOLDER):
        return text.removeprefix(PLACEHOLDER).strip()
    if text.endswith(PLACEHOLDER):
        return text.removesuffix(PLACEHOLDER).strip()
    raise DataError(
        f"the first turn neither begins nor ends with {PLACEHOLDER}",
        where,
        f"begin the first human turn with {PLACEHOLDER} and a new line",
    )
