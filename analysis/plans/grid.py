"""Which cells of a study's design hold models: a table for each arm, darker for more models.

What an arm varies beside rows and columns lies within a cell, and the cell counts it. With the
states of runs, cells show those instead.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from analysis.figures.style import GREY
from analysis.plans.canvas import MARGIN, counted, head, head_height, head_width, sheet, text_width
from analysis.plans.coverage import Coverage, Side, coverage
from analysis.plans.picture import Picture
from orchestrator.errors import PlanError
from orchestrator.plan.actions import State
from orchestrator.plan.graph.labels import value_words
from orchestrator.plan.graph.stage_colours import tint
from orchestrator.plan.plan import Plan

SHEET = 13.0
"""Inches that tables fill before they go on below."""
CELL_WIDTH = (0.44, 1.3)
"""Inches of a column at least and at most, where the table is not too wide for the sheet."""
CELL_HEIGHT = 0.24
BETWEEN = 0.45
"""Inches between two tables, each way."""
TOP = 0.72
"""Inches above a table's cells: its name, what else varies, the axis and its values."""

NAME_POINTS = 9.0
LABEL_POINTS = 7.0
FILL = "#0072B2"
PALEST = 0.18
"""Strength of the colour of a cell with one model, where others have more."""
DARK = 0.55
"""Strength from which on words in a cell are white."""
EMPTY = "#C8C8C8"

STATE_COLOURS = {
    State.DONE: "#7FCEB9",
    State.RUNNING: "#80B8D8",
    State.SUBMITTED: "#BFDCEB",
    State.QUEUED: "#DCEBF4",
    State.PLANNED: "#EFEFEF",
    State.FAILED: "#EAAE80",
    State.UNKNOWN: "#E0C8D8",
}
"""By state, in the order in which they fill a cell from the left."""

Align = Literal["left", "center", "right"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    """One arm's table before it has a place."""

    coverage: Coverage
    """What is in it."""
    label_width: float
    """Inches of the names of rows."""
    cell_width: float
    """Inches of a column."""
    width: float
    """Inches of the whole table."""
    height: float
    """Inches of the whole table."""


def draw_grid(plan: Plan, states: Mapping[str, State] | None = None) -> Picture:
    """Draw for each arm which of its cells hold models, how many, and how far they are.

    Args:
        plan: the plan.
        states: state of each run by `run_id`; None to show counts alone. A model that is not in
            it is `unknown`.

    Raises:
        PlanError: if no arm of the plan has a model.
    """
    tables = [_table(arm) for arm in coverage(plan)]
    if not tables:
        raise PlanError("no arm has a model", plan.study, "draw a plan that has arms with models")
    most = max(len(cell) for table in tables for cell in table.coverage.cells.values())
    models = {run_id for table in tables for run_id in table.coverage.models}
    title = f"{plan.study}: {counted(len(models), 'model')} in {counted(len(tables), 'arm')}"
    note, colours = _note_and_legend(tables, most, states)
    places, width, height = _places(tables, head_height(note))
    figure, axes = sheet(max(width, head_width(title, note, colours)), height)
    head(figure, title, note, colours)
    for table, (left, top) in zip(tables, places, strict=True):
        _draw_table(axes, table, left, top)
        for spot, run_ids in table.coverage.cells.items():
            box = _box(table, left, top, spot)
            if states is None:
                _draw_count(axes, box, len(run_ids), most)
            else:
                _draw_states(axes, box, [_state(states, run_id) for run_id in run_ids])
    return Picture(figure=figure, columns=_COLUMNS, rows=_rows(tables, states))


_COLUMNS = ("arm", "down", "down_value", "across", "across_value", "run_id", "state")


def _table(arm: Coverage) -> _Table:
    across = [_said(arm.across, value) for value in arm.across.values]
    down = [_said(arm.down, value) for value in arm.down.values]
    label_width = max(text_width(words, LABEL_POINTS) for words in (*down, arm.down.axis or ""))
    wanted = max(text_width(words, LABEL_POINTS) for words in across) + 0.12
    room = max(SHEET - label_width - 0.1, SHEET / 2) / len(across)
    cell_width = min(max(CELL_WIDTH[0], min(wanted, CELL_WIDTH[1])), room)
    heads = max(text_width(arm.arm, NAME_POINTS, "bold"), text_width(_second(arm), LABEL_POINTS))
    cells = label_width + 0.1 + cell_width * len(across)
    return _Table(
        coverage=arm,
        label_width=label_width,
        cell_width=cell_width,
        width=max(cells, heads, label_width + text_width(arm.across.axis or "", LABEL_POINTS)),
        height=TOP + CELL_HEIGHT * len(down),
    )


def _places(tables: Sequence[_Table], top: float) -> tuple[list[tuple[float, float]], float, float]:
    """Put tables side by side while the sheet is wide enough, and then below.

    Returns:
        The upper left corner of each, and the width and height of the sheet, in inches.
    """
    places: list[tuple[float, float]] = []
    left, lowest, widest = MARGIN, top, 0.0
    for table in tables:
        if left > MARGIN and left + table.width > MARGIN + SHEET:
            left, top = MARGIN, lowest + BETWEEN
        places.append((left, top))
        lowest = max(lowest, top + table.height)
        widest = max(widest, left + table.width)
        left += table.width + BETWEEN
    return places, widest + MARGIN, lowest + MARGIN


def _box(
    table: _Table, left: float, top: float, spot: tuple[int, int]
) -> tuple[float, float, float]:
    """Return left, top and width of a cell, in inches."""
    row, column = spot
    x = left + table.label_width + 0.1 + column * table.cell_width
    return x, top + TOP + row * CELL_HEIGHT, table.cell_width


def _draw_table(axes: Axes, table: _Table, left: float, top: float) -> None:
    arm = table.coverage
    first = left + table.label_width + 0.1
    axes.text(
        left, top + 0.1, arm.arm,
        fontsize=NAME_POINTS, weight="bold", va="center", parse_math=False,
    )  # fmt: skip
    _say(axes, (left, top + 0.27), _second(arm), "left", GREY)
    _say(axes, (first, top + 0.45), arm.across.axis or "", "left", GREY)
    _say(axes, (first - 0.06, top + 0.62), arm.down.axis or "", "right", GREY)
    step = _label_step(table)
    for column, value in enumerate(arm.across.values):
        if column % step == 0:
            x, _, width = _box(table, left, top, (0, column))
            words = _fitted(_said(arm.across, value), width * step)
            _say(axes, (x + width / 2, top + 0.62), words, "center", "black")
    for row, value in enumerate(arm.down.values):
        y = _box(table, left, top, (row, 0))[1] + CELL_HEIGHT / 2
        _say(axes, (first - 0.06, y), _said(arm.down, value), "right", "black")
        for column in range(len(arm.across.values)):
            _draw_cell(axes, _box(table, left, top, (row, column)), "white", EMPTY)


def _say(axes: Axes, place: tuple[float, float], words: str, align: Align, colour: str) -> None:
    axes.text(
        *place, words,
        fontsize=LABEL_POINTS, ha=align, va="center_baseline", color=colour, parse_math=False,
    )  # fmt: skip


def _label_step(table: _Table) -> int:
    """Return how many columns a label takes, so that labels of narrow columns do not touch."""
    values = table.coverage.across.values
    widest = max(text_width(_said(table.coverage.across, value), LABEL_POINTS) for value in values)
    wanted = min(widest + 0.06, CELL_WIDTH[1])
    return max(1, -int(-wanted // table.cell_width))


def _fitted(words: str, width: float) -> str:
    """Cut words that are too long for their place, and say so by three dots."""
    short = words
    while len(short) > 1 and text_width(short, LABEL_POINTS) > width:
        short = short.removesuffix("…")[:-1] + "…"
    return short


def _draw_cell(axes: Axes, box: tuple[float, float, float], fill: str, edge: str) -> None:
    left, top, width = box
    axes.add_patch(
        Rectangle((left, top), width, CELL_HEIGHT, facecolor=fill, edgecolor=edge, linewidth=0.6)
    )


def _draw_count(axes: Axes, box: tuple[float, float, float], count: int, most: int) -> None:
    strength = PALEST + (1 - PALEST) * (count - 1) / max(most - 1, 1)
    _draw_cell(axes, box, tint(FILL, strength), GREY)
    _write(axes, box, f"{count:,}", "white" if strength > DARK else "black")


def _draw_states(axes: Axes, box: tuple[float, float, float], states: Sequence[State]) -> None:
    """Divide a cell among the states of its models, and write how many are done."""
    left, top, width = box
    counts = Counter(states)
    for state, colour in STATE_COLOURS.items():
        part = width * counts[state] / len(states)
        if part:
            axes.add_patch(Rectangle((left, top), part, CELL_HEIGHT, facecolor=colour, linewidth=0))
            left += part
    _draw_cell(axes, box, "none", GREY)
    _write(axes, box, f"{counts[State.DONE]:,}/{len(states):,}", "black")


def _write(axes: Axes, box: tuple[float, float, float], words: str, colour: str) -> None:
    left, top, width = box
    if text_width(words, LABEL_POINTS) < width:
        _say(axes, (left + width / 2, top + CELL_HEIGHT / 2), words, "center", colour)


def _note_and_legend(
    tables: Sequence[_Table], most: int, states: Mapping[str, State] | None
) -> tuple[str, dict[str, str]]:
    if states is None:
        note = "a cell counts its models: those that differ in what else the arm varies"
        return note, {"1 model": tint(FILL, PALEST)} | (
            {f"{most:,} models": FILL} if most > 1 else {}
        )
    models = {run_id for table in tables for run_id in table.coverage.models}
    counts = Counter(_state(states, run_id) for run_id in models)
    legend = {
        f"{state.value} ({counts[state]:,})": colour
        for state, colour in STATE_COLOURS.items()
        if counts[state]
    }
    return "a cell says how many of its models are done, and is divided by their states", legend


def _state(states: Mapping[str, State], run_id: str) -> State:
    return states.get(run_id, State.UNKNOWN)


def _second(arm: Coverage) -> str:
    count = counted(len(arm.models), "model")
    return f"{count}; in a cell: {arm.further}" if arm.further else count


def _said(side: Side, value: str | int | float | None) -> str:
    if side.axis is None:
        return ""
    return "none" if value is None else value_words(side.axis, value)


def _rows(
    tables: Sequence[_Table], states: Mapping[str, State] | None
) -> tuple[tuple[str | int | float, ...], ...]:
    def told(value: str | int | float | None) -> str | int | float:
        return "" if value is None else value

    return tuple(
        (
            arm.arm,
            told(arm.down.axis),
            told(arm.down.values[row]),
            told(arm.across.axis),
            told(arm.across.values[column]),
            run_id,
            told(None if states is None else _state(states, run_id).value),
        )
        for arm in (table.coverage for table in tables)
        for (row, column), run_ids in arm.cells.items()
        for run_id in run_ids
    )
