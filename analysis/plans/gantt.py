"""The simulated schedule of a plan: which devices do what when, and how many are busy.

Few devices have a row each. Many share rows: each spot then has the mean colour of what its
devices do in its time, white where they are idle.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from analysis.figures.style import GREY
from analysis.plans.canvas import POINTS_PER_INCH, counted, head, head_height, text_width
from analysis.plans.packing import Bar, Packed, Placement, pack
from analysis.plans.picture import Picture
from analysis.plans.shared_rows import ROWS, mean_colours
from orchestrator.errors import PlanError
from orchestrator.plan.graph.stage_colours import STAGE_COLOURS, tint
from orchestrator.plan.plan import Plan, PlannedRun
from orchestrator.spec.run import Stage

WIDTH = 14.0
"""Inches that the picture is wide."""
LEFT, RIGHT, BOTTOM = 0.95, 0.2, 0.5
"""Inches for the names of rows, free space, and the names of times."""
ROWS_INCHES = (0.6, 5.0)
"""Inches of one row at most, and of all rows together at most."""
BUSY_INCHES = 0.9
"""Inches of the panel below, which counts busy devices."""

MOST_ROWS = 64
"""Devices that have a row each; more share rows."""
MOST_NAMED = 400
"""Bars whose name is tried for its fit."""

LEAST_NAMED = 0.11
"""Inches of a row from which on names fit into it."""
LABEL_POINTS = 6.0
CRITICAL = "#000000"
OUTLINE_POINTS = 1.3
"""Of critical runs; thinner where a run is so short that lines would cover it."""
STRENGTH = 0.75
"""Of stage colours, so that outlines and names stand out."""

_UNITS = (
    (0.03, 3600.0, "seconds"),
    (3.0, 60.0, "minutes"),
    (96.0, 1.0, "hours"),
    (float("inf"), 1 / 24, "days"),
)
"""Longest schedule in hours, units in an hour, and their name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chart:
    """What every part of the picture needs."""

    packed: Packed
    """Runs on devices."""
    runs: Mapping[str, PlannedRun]
    """The plan's, by `run_id`."""
    devices: int
    """Rows, idle ones included."""
    end: float
    """Hours until the last run ends. Above 0."""
    unit: float
    """Units of the time axis in an hour."""
    unit_name: str
    """What the time axis counts."""

    def stage(self, bar: Bar) -> Stage:
        """Return what a bar's run does."""
        return self.runs[bar.run_id].stage


def draw_gantt(
    plan: Plan,
    placements: Sequence[Placement],
    *,
    critical_path: Collection[str] = (),
    devices: int | None = None,
) -> Picture:
    """Draw devices over time, coloured by stage.

    Args:
        plan: what the schedule is of.
        placements: when each run works; a run may have several.
        critical_path: `run_id`s to outline.
        devices: how many there are; None for as many as work at once.

    Raises:
        PlanError: if the schedule is empty, or names a run that the plan does not have.
    """
    chart = _chart(plan, placements, devices)
    rows_inches = min(ROWS_INCHES[0] * chart.devices, ROWS_INCHES[1])
    note = _note(chart)
    top = head_height(note)
    figure = Figure(figsize=(WIDTH, top + rows_inches + 0.3 + BUSY_INCHES + BOTTOM))
    figure.set_facecolor("white")
    upper = _panel(figure, top, rows_inches)
    lower = _panel(figure, top + rows_inches + 0.3, BUSY_INCHES)
    if chart.devices > MOST_ROWS:
        _draw_shared_rows(upper, chart)
    else:
        _draw_bars(upper, chart)
    critical = [bar for bar in chart.packed.bars if bar.run_id in critical_path]
    _outline(upper, chart, critical)
    _name_rows(upper, chart)
    _draw_busy(lower, chart)
    _scale(upper, lower, chart)
    colours = _legend(chart) | ({"critical path": CRITICAL} if critical else {})
    head(figure, _title(plan, chart), note, colours)
    return Picture(figure=figure, columns=_COLUMNS, rows=_rows(chart, critical_path))


_COLUMNS = ("run_id", "stage", "start_hours", "end_hours", "device", "devices", "is_critical")


def _chart(plan: Plan, placements: Sequence[Placement], devices: int | None) -> _Chart:
    runs = {run.run_id: run for run in plan.runs}
    for placement in placements:
        if placement.run_id not in runs:
            raise PlanError(
                f"the schedule has run {placement.run_id}, which the plan does not have",
                where=plan.study,
                mend="draw a schedule of this plan",
            )
    packed = pack(placements)
    end = max((bar.end_hours for bar in packed.bars), default=0.0)
    if end <= 0:
        raise PlanError("the schedule takes no time", plan.study, "draw a plan that has runs")
    unit, name = next((unit, name) for most, unit, name in _UNITS if end <= most)
    return _Chart(
        packed=packed,
        runs=runs,
        devices=max(packed.devices, devices or 0),
        end=end,
        unit=unit,
        unit_name=name,
    )


def _panel(figure: Figure, top: float, height: float) -> Axes:
    """Return axes at a place given in inches from the top."""
    whole = float(figure.get_size_inches()[1])
    box = (LEFT / WIDTH, 1 - (top + height) / whole, 1 - (LEFT + RIGHT) / WIDTH, height / whole)
    axes = figure.add_axes(box)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)
    return axes


def _rectangle(chart: _Chart, bar: Bar) -> Rectangle:
    begin, end = bar.start_hours * chart.unit, bar.end_hours * chart.unit
    return Rectangle((begin, bar.device), end - begin, bar.devices)


def _draw_bars(axes: Axes, chart: _Chart) -> None:
    for stage in Stage:
        patches = [_rectangle(chart, bar) for bar in chart.packed.bars if chart.stage(bar) is stage]
        colour = tint(STAGE_COLOURS[stage], STRENGTH)
        axes.add_collection(
            PatchCollection(patches, facecolor=colour, edgecolor="white", linewidth=0.4)
        )
    if ROWS_INCHES[1] / chart.devices < LEAST_NAMED:
        return
    inches = (WIDTH - LEFT - RIGHT) / chart.end
    longest = sorted(chart.packed.bars, key=lambda bar: bar.start_hours - bar.end_hours)
    for bar in longest[:MOST_NAMED]:
        words = _name(chart.runs[bar.run_id], (bar.end_hours - bar.start_hours) * inches - 0.06)
        middle = (bar.start_hours + bar.end_hours) / 2 * chart.unit
        axes.text(
            middle, bar.device + bar.devices / 2, words,
            fontsize=LABEL_POINTS, ha="center", va="center", clip_on=True, parse_math=False,
        )  # fmt: skip


def _name(run: PlannedRun, inches: float) -> str:
    """Return the longest of a run's names that fits into a bar; none for a narrow one."""
    model = next((str(axis.value) for axis in run.axes if axis.name == "model"), "")
    names = (run.title, run.title.rpartition(", ")[0], model)
    return next((name for name in names if text_width(name, LABEL_POINTS) <= inches), "")


def _draw_shared_rows(axes: Axes, chart: _Chart) -> None:
    colours = {
        bar.run_id: tint(STAGE_COLOURS[chart.stage(bar)], STRENGTH) for bar in chart.packed.bars
    }
    image = mean_colours(chart.packed.bars, colours, devices=chart.devices, hours=chart.end)
    extent = (0, chart.end * chart.unit, chart.devices, 0)
    axes.imshow(image, extent=extent, aspect="auto", interpolation="nearest")


def _outline(axes: Axes, chart: _Chart, bars: Sequence[Bar]) -> None:
    points = (WIDTH - LEFT - RIGHT) * POINTS_PER_INCH / chart.end
    thick = [min(OUTLINE_POINTS, 0.25 * points * (bar.end_hours - bar.start_hours)) for bar in bars]
    patches = [_rectangle(chart, bar) for bar in bars]
    axes.add_collection(
        PatchCollection(patches, facecolor="none", edgecolor=CRITICAL, linewidth=thick, zorder=3)
    )


def _name_rows(axes: Axes, chart: _Chart) -> None:
    axes.set_ylim(chart.devices, 0)
    if len(chart.packed.blocks) == 1:
        axes.set_ylabel("device", fontsize=8)
        if chart.devices > 20:
            axes.yaxis.set_major_locator(MaxNLocator(integer=True))
        else:
            axes.set_yticks([row + 0.5 for row in range(chart.devices)])
            axes.set_yticklabels([str(row) for row in range(chart.devices)])
        return
    for block in chart.packed.blocks:
        axes.axhline(block.device + block.devices, color=GREY, linewidth=0.8)
    axes.set_yticks([block.device + block.devices / 2 for block in chart.packed.blocks])
    names = [f"{block.pool}\n({block.devices:,})" for block in chart.packed.blocks]
    axes.set_yticklabels(names, parse_math=False)
    axes.set_ylabel("devices, by pool", fontsize=8)


def _draw_busy(axes: Axes, chart: _Chart) -> None:
    """Stack the numbers of busy devices by stage."""
    times = sorted({0.0}.union(*((bar.start_hours, bar.end_hours) for bar in chart.packed.bars)))
    places = {time: index for index, time in enumerate(times)}
    below: NDArray[np.int64] = np.zeros(len(times), dtype=np.int64)
    for stage in Stage:
        changes: NDArray[np.int64] = np.zeros(len(times), dtype=np.int64)
        for bar in chart.packed.bars:
            if chart.stage(bar) is stage:
                changes[places[bar.start_hours]] += bar.devices
                changes[places[bar.end_hours]] -= bar.devices
        above = below + changes.cumsum()
        if changes.any():
            colour = tint(STAGE_COLOURS[stage], STRENGTH)
            hours = np.array(times) * chart.unit
            axes.fill_between(hours, below, above, step="post", color=colour, linewidth=0)
        below = above
    axes.set_ylabel("busy\ndevices", fontsize=8)
    axes.set_ylim(0, chart.devices)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=3, integer=True))


def _scale(upper: Axes, lower: Axes, chart: _Chart) -> None:
    for axes in (upper, lower):
        axes.set_xlim(0, chart.end * chart.unit * 1.002)
    upper.tick_params(labelbottom=False)
    lower.set_xlabel(f"{chart.unit_name} since the start of the study", fontsize=8)


def _legend(chart: _Chart) -> dict[str, str]:
    runs = {bar.run_id: chart.stage(bar) for bar in chart.packed.bars}
    counts = Counter(runs.values())
    return {
        f"{stage.value} ({counts[stage]:,})": tint(STAGE_COLOURS[stage], STRENGTH)
        for stage in Stage
        if counts[stage]
    }


def _title(plan: Plan, chart: _Chart) -> str:
    runs = counted(len({bar.run_id for bar in chart.packed.bars}), "run")
    length = f"{chart.end * chart.unit:,.3g} {chart.unit_name}"
    return f"{plan.study}: {runs} on {counted(chart.devices, 'device')} in {length}"


def _note(chart: _Chart) -> str:
    busy = sum(bar.devices * (bar.end_hours - bar.start_hours) for bar in chart.packed.bars)
    idle = 1 - busy / (chart.devices * chart.end)
    shared = (
        f"; {chart.devices / ROWS:.3g} devices share a row" if chart.devices > MOST_ROWS else ""
    )
    hours = f"{busy:,.0f}" if busy >= 100 else f"{busy:.3g}"
    return f"simulated; {hours} device hours, {max(idle, 0):.1%} of the devices' time idle{shared}"


def _rows(
    chart: _Chart, critical_path: Collection[str]
) -> tuple[tuple[str | float | bool, ...], ...]:
    return tuple(
        (
            bar.run_id,
            chart.stage(bar).value,
            bar.start_hours,
            bar.end_hours,
            bar.device,
            bar.devices,
            bar.run_id in critical_path,
        )
        for bar in chart.packed.bars
    )
