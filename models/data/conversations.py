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


def read_conversations(path: Path) -> list[Conversation]:
    """Read and check the rows of a LLaVA file.

    Raises:
        DataError: naming the first row that is not in the format.
    """
    try:
        rows: object = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(
            f"the rows cannot be read ({error})", str(path), "make or fetch the file again"
        ) from error
    if not isinstance(rows, list) or not rows:
        raise DataError("there is no list of rows", str(path), "write LLaVA's list of rows")
    return [
        _conversation(f"{path}: row {number}", row)
        for number, row in enumerate(cast(list[object], rows))
    ]


def _conversation(where: str, row: object) -> Conversation:
    try:
        fields = cast(dict[str, Any], row)
        image: str | None = fields.get("image")
        speakers = [str(turn["from"]) for turn in fields["conversations"]]
        texts = [str(turn["value"]) for turn in fields["conversations"]]
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
    if image is not None:
        texts[0] = _without_placeholder(where, texts[0])
    if any(PLACEHOLDER in text for text in texts):
        raise DataError(
            f"{PLACEHOLDER} stands where no image can be",
            where,
            f"write {PLACEHOLDER} once, in the first human turn of a row that names an image",
        )
    return Conversation(image=image, turns=tuple(zip(texts[::2], texts[1::2], strict=True)))


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
