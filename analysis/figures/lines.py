"""What tells the lines of a curve figure apart: a colour, a line style, a row of panels. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis.axis_words import axis_words
from analysis.figures.style import LINES

MOST_LINES = 8
"""In one panel: more cannot be followed, and the rest goes into further rows of panels."""

_NEVER = frozenset({"seed", "model"})
"""Seeds are averaged; a model always has lines of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Channels:
    """Which columns show as what."""

    colour: str
    """Column whose values have a colour each: the model, or an axis where there is one model."""
    dash: tuple[str, ...]
    """Axes whose combined values have a line style each."""
    row: tuple[str, ...]
    """Axes whose combined values have a row of panels each."""

    @property
    def axes(self) -> tuple[str, ...]:
        """Every axis that tells lines apart, beside the model."""
        colour = () if self.colour == "model" else (self.colour,)
        return (*colour, *self.dash, *self.row)


def channels_of(rows: pd.DataFrame, known: Sequence[str], fixed: Sequence[str]) -> Channels:
    """Choose channels for the lines of some rows.

    Args:
        rows: results, with a `facet` column.
        known: axes of the study.
        fixed: axes that are shown in another way.
    """
    rest = line_axes(rows, known, fixed)
    colour = "model" if rows["model"].nunique() > 1 or not rest else rest.pop(0)
    row: list[str] = []
    while rest and _is_crowded(rows, colour, rest):
        row.insert(0, rest.pop())
    return Channels(colour=colour, dash=tuple(rest), row=tuple(row))


def line_axes(rows: pd.DataFrame, known: Sequence[str], fixed: Sequence[str]) -> list[str]:
    """Return the axes without which two models of one place would be taken for seeds of each other.

    An axis that follows from the model, from the place on the x axis or from another axis tells
    nothing apart.
    """
    if rows.empty:
        return []
    kept = [name for name in known if name in rows and name not in {*fixed, *_NEVER}]
    kept = [name for name in kept if rows[name].nunique(dropna=False) > 1]
    for name in reversed(kept.copy()):
        others = ["facet", "model", *fixed, *(other for other in kept if other != name)]
        if rows.groupby(others, dropna=False)[name].nunique(dropna=False).max() <= 1:
            kept.remove(name)
    return kept


def words_of(first: "Mapping[str, Any] | pd.Series[Any]", axes: Sequence[str]) -> str:
    """Return what a row has on some axes, in words."""
    return ", ".join(axis_words(name, first[name]) for name in axes)


def _is_crowded(rows: pd.DataFrame, colour: str, rest: Sequence[str]) -> bool:
    lines = rows.groupby("facet")[[colour, *rest]].apply(lambda own: len(own.drop_duplicates()))
    styles = len(rows[list(rest)].drop_duplicates())
    return int(lines.max()) > MOST_LINES or styles > len(LINES)
