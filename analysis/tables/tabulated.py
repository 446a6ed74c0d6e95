"""What a table module gives back: rows of entries, ours and published ones apart."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from analysis.intervals import Estimate


class Unit(StrEnum):
    """What an entry's number is, and how it is shown."""

    SCORE = "score"
    """A fraction in [0, 1], shown in per cent."""
    COUNT = "count"
    """A whole number, or one too large to write out."""
    RATE = "learning rate"
    """A learning rate."""
    HOURS = "device hours"
    """Hours of one device."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One cell of a table."""

    unit: Unit
    """Of the number."""
    estimate: Estimate | None
    """The number with its interval; None if it is missing."""
    missing: tuple[str, ...] = ()
    """What it lacks, each with its reason: planned runs, or a number that is not at hand."""
    run_ids: tuple[str, ...] = ()
    """Runs it rests on; empty for a published number."""
    codes: tuple[str, ...] = ()
    """Versions of the code that made them."""
    place: str | None = None
    """Where a published number is printed: its row there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row: all of it ours, or all of it published."""

    label: str
    """What the row is about."""
    entries: Mapping[str, Entry] = field(hash=False)
    """Entries by column; a column that is not in it is empty."""
    source: str | None = None
    """Where its numbers are published; None for a row of ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tabulated:
    """A table with the numbers in it."""

    name: str
    """Name in a study's `feeds`, and of the files."""
    title: str
    """What it shows, in a line."""
    caption: str
    """How to read it and what the intervals are."""
    heading: str
    """Of the rows' labels."""
    columns: tuple[str, ...]
    """Headings, in order."""
    rows: tuple[Row, ...]
    """Ours first."""

    @property
    def missing(self) -> tuple[str, ...]:
        """Planned runs and numbers that are not in it, each with its reason."""
        lines = (
            line for row in self.rows for entry in row.entries.values() for line in entry.missing
        )
        return tuple(dict.fromkeys(lines))
