"""Rows of a table with the paper's numbers, each marked with where it is printed."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pandas as pd

from analysis.intervals import Estimate
from analysis.published import published_table
from analysis.tables.tabulated import Entry, Row, Tabulated, Unit

Words = Callable[[dict[str, object]], str]


def with_published(ours: Tabulated, number: int, label: Words, column: Words) -> Tabulated:
    """Return our table with the published one's values below, as far as they have a column in ours.

    Args:
        ours: what is measured.
        number: of the published table.
        label: gives the row of a published value.
        column: gives its column; values of another one have nothing to stand beside.

    Raises:
        RecordError: if the published table cannot be read.
    """
    published = rows_of(published_table(number), label, column, ours.columns)
    return replace(ours, rows=(*ours.rows, *published))


def rows_of(
    table: pd.DataFrame, label: Words, column: Words, columns: Sequence[str]
) -> tuple[Row, ...]:
    """Return the same of a table that is read already."""
    found: dict[str, dict[str, Entry]] = {}
    sources: dict[str, str] = {}
    for record in table.to_dict("records"):
        value = {str(name): item for name, item in record.items()}
        if column(value) in columns:
            found.setdefault(label(value), {})[column(value)] = _entry(value)
            sources[label(value)] = f"{value['source']}, table {value['table']}"
    return tuple(
        Row(label=words, entries=entries, source=sources[words]) for words, entries in found.items()
    )


def _entry(value: dict[str, object]) -> Entry:
    number = float(str(value["value"])) / (100 if value["unit"] == "percent" else 1)
    printed = Estimate(value=number, low=None, high=None, n=1, method="as published")
    return Entry(unit=Unit.SCORE, estimate=printed, place=str(value["row"]))
