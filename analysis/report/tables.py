"""The study's tables, from `tables/*.csv`, as the page shows them. Reads files."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pandas as pd

from analysis.report.words import ABSENT, quantity
from orchestrator.errors import RecordError
from orchestrator.store.layout import StudyFolder

RAW = ("results", "cells")
"""Tables that the others are made from; too long for a page."""
LONG_FORM = ("row", "column", "value")
"""Columns of a table with one line for each entry."""
MOST_ROWS = 100
"""Rows shown of a table; the file has all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownTable:
    """A table on the page."""

    name: str
    title: str
    caption: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    more: int
    """Rows of the file that are not shown."""


def shown_tables(folder: StudyFolder) -> list[ShownTable]:
    """Return every table of a study but the raw ones, by name.

    Raises:
        RecordError: if a file is damaged.
    """
    paths = sorted(path for path in folder.tables.glob("*.csv") if path.stem not in RAW)
    return [_shown(path) for path in paths]


def _shown(path: Path) -> ShownTable:
    title, caption = _title(path)
    try:
        frame = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise RecordError(str(error), str(path), "run `sweep figures STUDY.yaml` again") from error
    if set(LONG_FORM) <= set(frame.columns):
        heads, rows = _pivoted(frame, caption)
    else:
        heads = tuple(str(name) for name in frame.columns)
        rows = [tuple(_words(value) for value in row) for row in frame.itertuples(index=False)]
    return ShownTable(
        name=path.stem,
        title=title,
        caption=caption,
        heads=heads,
        rows=tuple(rows[:MOST_ROWS]),
        more=max(0, len(rows) - MOST_ROWS),
    )


def _pivoted(frame: pd.DataFrame, caption: str) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Turn one line for each entry into rows and columns, in the order of the file."""
    lines = cast(list[dict[str, object]], frame.to_dict("records"))
    columns = list(dict.fromkeys(_words(line["column"]) for line in lines))
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for line in lines:
        label = (_words(line["row"]), _words(line.get("source", ABSENT)))
        rows.setdefault(label, {})[_words(line["column"])] = _entry(line)
    cells = [
        (_label(row, source, caption), *(own.get(name, "") for name in columns))
        for (row, source), own in rows.items()
    ]
    return ("", *columns), cells


def _label(row: str, source: str, caption: str) -> str:
    """Name a row, and its source where that is not ours and the caption does not have it."""
    if source == ABSENT:
        return row
    return f"{row} (published)" if source in caption else f"{row} (published: {source})"


def _entry(line: Mapping[str, object]) -> str:
    """Return a number with its interval, if there is one."""
    is_score = line.get("unit") == "score"
    value, low, high = (
        None if _is_absent(number) else _number(float(str(number)), is_score=is_score)
        for number in (line["value"], line.get("low"), line.get("high"))
    )
    if value is None:
        return "missing"
    return value if low is None or high is None else f"{value} [{low}, {high}]"


def _number(value: float, *, is_score: bool) -> str:
    if is_score:
        return f"{100 * value:.1f}"  # per cent, as the papers print scores
    return f"{value:,.0f}" if value.is_integer() and abs(value) < 1e4 else quantity(value)


def _words(value: object) -> str:
    if _is_absent(value):
        return ABSENT
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _is_absent(value: object) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _title(path: Path) -> tuple[str, str]:
    """Return heading and last paragraph of the Markdown beside a table, if there is one."""
    try:
        text = path.with_suffix(".md").read_text(encoding="utf-8")
    except OSError:
        return path.stem, ""
    parts = [part.strip() for part in text.split("\n\n")]
    headings = [part[2:] for part in parts if part.startswith("# ")]
    plain = [part for part in parts if part and part[0] not in "#|-" and "Missing (" not in part]
    return (headings[0] if headings else path.stem), (plain[-1] if plain else "")
