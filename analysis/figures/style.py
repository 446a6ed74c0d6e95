"""How every figure looks: colours that colour-blind readers can tell apart, light axes, notes.

Works on `Figure` objects alone; nothing of matplotlib's global state is read or changed.
"""

from collections.abc import Sequence
from typing import Any, Literal, cast

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from numpy.typing import NDArray

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8A7A00")
"""Okabe and Ito's palette (jfly.uni-koeln.de/color), without its yellow, which white swallows."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
"""One for each colour, so that colour is never the only difference."""
Dash = Literal["-", "-."] | tuple[float, tuple[float, ...]]
"""A line style as matplotlib takes it."""
LINES: tuple[Dash, ...] = (
    "-",
    (0, (5, 2)),
    (0, (1, 1)),
    (0, (5, 1, 1, 1)),
    (0, (9, 3)),
    (0, (1, 4)),
)
"""Line styles for what colour does not show."""
GREY = "#5A5A5A"
"""For what is not a model of the study: baselines, notes, published values."""

PANEL_INCHES = (4.1, 3.1)
"""Width and height of one panel."""
TITLE_INCHES = 6.8
"""Least width of a figure: the longest title."""
LEGEND_INCHES = 1.6
"""Width of the margin for a legend beside the panels."""
_NAMED = 3


def panels(rows: int, columns: int) -> tuple[Figure, NDArray[Any]]:
    """Return a figure with a grid of styled axes, (rows, columns)."""
    width, height = PANEL_INCHES
    size = (max(width * columns, TITLE_INCHES), height * rows + 0.9)
    figure = Figure(figsize=size, layout="constrained")
    figure.set_facecolor("white")
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.ravel():
        _style(axes)
    return figure, grid


def finish(figure: Figure, title: str, missing: Sequence[str]) -> None:
    """Put the title above and the missing runs below."""
    height = float(figure.get_size_inches()[1])
    figure.text(0.012, 1 - 0.1 / height, title, fontsize=11, weight="bold", va="top")
    bottom = 0.0
    if missing:
        words = _missing_words(missing)
        lines = words.count("\n") + 1
        bottom = (0.16 * lines + 0.06) / height
        figure.text(0.012, 0.06 / height, words, fontsize=7, color="#A03000", va="bottom")
    engine = cast(ConstrainedLayoutEngine | None, figure.get_layout_engine())
    if engine is not None:
        engine.set(rect=(0, bottom, 1, 1 - bottom - 0.34 / height))


def legend(axes: Axes, fontsize: float = 7) -> None:
    """Add a legend that stays readable above lines."""
    axes.legend(fontsize=fontsize, framealpha=0.75, edgecolor="none", borderpad=0.2)


def legend_beside(
    figure: Figure, handles: Sequence[Artist], labels: Sequence[str] | None = None
) -> None:
    """Put one legend for all panels to the right of them, in a margin made for it.

    Args:
        figure: with its panels.
        handles: entries.
        labels: their words; None for what each calls itself.
    """
    if not handles:
        return
    width = float(figure.get_size_inches()[0]) + LEGEND_INCHES
    figure.set_figwidth(width)
    figure.legend(
        list(handles),
        list(labels or [str(handle.get_label()) for handle in handles]),
        loc="outside right upper",
        fontsize=8,
        frameon=False,
        handlelength=3.2,
    )


def text_panel(axes: Axes, words: str) -> None:
    """Say in an empty panel why it is empty."""
    axes.text(
        0.5, 0.5, words, transform=axes.transAxes, ha="center", va="center", wrap=True,
        fontsize=8, color=GREY,
    )  # fmt: skip
    axes.set_xticks([])
    axes.set_yticks([])


def look(index: int) -> tuple[str, str]:
    """Return colour and marker of the model at a place in the order of sizes."""
    return COLOURS[index % len(COLOURS)], MARKERS[index % len(MARKERS)]


def interval_words(methods: Sequence[str]) -> str:
    """Say in a caption what the intervals are over."""
    unique = sorted({method for method in methods if method})
    return f"Intervals: 90 %, {'; '.join(unique)}." if unique else "No intervals."


def error_lengths(value: Sequence[float], low: Sequence[float], high: Sequence[float]) -> Any:
    """Return the lengths of error bars (2, n); 0 where there is no interval."""
    lengths = np.array([np.subtract(value, low), np.subtract(high, value)])
    return np.nan_to_num(lengths, nan=0.0)


def _style(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(visible=True, color="#E3E3E3", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=8)


def _missing_words(missing: Sequence[str]) -> str:
    named = [f"  {line}" for line in missing[:_NAMED]]
    rest = len(missing) - len(named)
    more = [f"  and {rest} more, named in the report"] if rest else []
    return "\n".join([f"Missing ({len(missing)}):", *named, *more])
