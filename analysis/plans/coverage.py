"""Which cells of each arm's design hold models: the arm as a table of two of its axes.

Those are the two with the most values; the seed is one of them only where nothing else varies.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.plan.graph.labels import axis_words
from orchestrator.plan.plan import AxisValue, Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """An axis along one side of a table."""

    axis: str | None
    """Its name; None if the arm has no axis left for this side."""
    values: tuple[AxisValue | None, ...]
    """Numbers by size, words in the order of the study; `(None,)` without an axis."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """The models of one arm, cell by cell."""

    arm: str
    """Its name."""
    down: Side
    """Rows."""
    across: Side
    """Columns."""
    further: str
    """What else varies within a cell, in words; empty if nothing does."""
    cells: dict[tuple[int, int], tuple[str, ...]]
    """`run_id`s by row and column; a cell without a model is not there."""

    @property
    def models(self) -> tuple[str, ...]:
        """Return every model of the arm, once."""
        return tuple(dict.fromkeys(run_id for cell in self.cells.values() for run_id in cell))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    run_id: str
    axes: dict[str, AxisValue]


def coverage(plan: Plan) -> tuple[Coverage, ...]:
    """Return the tables of a plan's arms that have models, in the order of the study."""
    places: dict[str, list[_Place]] = {}
    for run in plan.runs:
        for cell in run.cells:
            axes = {axis.name: axis.value for axis in cell.axes}
            places.setdefault(cell.arm, []).append(_Place(run_id=run.run_id, axes=axes))
    return tuple(_coverage(arm.name, places[arm.name]) for arm in plan.arms if arm.name in places)


def _coverage(arm: str, places: Sequence[_Place]) -> Coverage:
    names = dict.fromkeys(name for place in places for name in place.axes)
    sides = [Side(axis=name, values=_values(name, places)) for name in names]
    longest = sorted(sides, key=_rank)[:2]
    shown = [side for side in sides if side in longest]
    none = Side(axis=None, values=(None,))
    down, across = [*[none] * (2 - len(shown)), *shown]
    cells: dict[tuple[int, int], dict[str, None]] = {}
    for place in places:
        cells.setdefault((_index(down, place), _index(across, place)), {})[place.run_id] = None
    return Coverage(
        arm=arm,
        down=down,
        across=across,
        further=_words([side for side in sides if side not in shown and len(side.values) > 1]),
        cells={spot: tuple(cells[spot]) for spot in sorted(cells)},
    )


def _values(name: str, places: Sequence[_Place]) -> tuple[AxisValue | None, ...]:
    values = list(dict.fromkeys(place.axes.get(name) for place in places))
    numbers = [value for value in values if isinstance(value, int | float)]
    return tuple(sorted(numbers)) if len(numbers) == len(values) else tuple(values)


def _rank(side: Side) -> tuple[bool, bool, int]:
    """Prefer axes that vary, and among them any to the seed, which only repeats what is there."""
    return (len(side.values) == 1, side.axis == "seed", -len(side.values))


def _index(side: Side, place: _Place) -> int:
    return side.values.index(place.axes.get(side.axis) if side.axis else None)


def _words(sides: Sequence[Side]) -> str:
    return "; ".join(
        axis_words(side.axis, [value for value in side.values if value is not None])
        for side in sides
        if side.axis
    )
