"""One panel of a curve figure: lines with intervals and single runs; and the figure's legend."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, LogLocator, MaxNLocator, NullLocator, PercentFormatter
from matplotlib.transforms import ScaledTranslation, Transform

from analysis.axis_words import axis_words
from analysis.figures.curve import BLIND, TRUNK_LINE, Curve
from analysis.figures.lines import Channels, words_of
from analysis.figures.style import GREY, LINES, Dash, error_lengths, look, text_panel
from analysis.study import where

_TRUNK_DASH: Dash = "-."
_BLIND_MARKER = "."
_FAINT = 0.55
_SIDE_POINTS, _WIDEST_POINTS = 3.0, 14.0
"""Between lines of one place, so that intervals do not cover each other; and of all of them."""
_MARGIN = 0.05
"""Of the x axis, on both sides, as a share of what is measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """What each colour and line style of a figure stands for, in all its panels."""

    channels: Channels
    """Which columns they stand for."""
    colours: tuple[object, ...]
    """Values with a colour each: models by size, or an axis in order."""
    dashes: tuple[str, ...]
    """Words with a line style each."""
    reach: tuple[float, float]
    """Ends of what is measured on the x axis, over all panels."""

    def colour(self, value: object) -> tuple[str, str]:
        """Return colour and marker of a value."""
        return look(self.colours.index(value)) if value in self.colours else (GREY, "x")

    def dash(self, words: str) -> Dash:
        """Return the line style of some words."""
        return LINES[self.dashes.index(words) % len(LINES)]


def key_of(data: pd.DataFrame, channels: Channels, axis: str) -> Key:
    """Give every colour and line style of a figure a meaning.

    Args:
        data: rows of `curve_frame`.
        channels: which columns they stand for.
        axis: column on the x axis.
    """
    seen = data[data["kind"].isin(["mean", "run"]) & (data["line"] != TRUNK_LINE)]
    order = "params" if channels.colour == "model" else channels.colour
    colours = list(dict.fromkeys(seen.sort_values(order, kind="stable")[channels.colour]))
    if channels.colour == "model":
        trunks = data.loc[data["line"] == TRUNK_LINE, "model"]
        colours += [model for model in dict.fromkeys(trunks) if model not in colours]
    dashes = seen.sort_values(list(channels.dash), kind="stable") if channels.dash else seen
    unique = dashes.drop_duplicates(list(channels.dash)) if channels.dash else dashes.head(1)
    words = [words_of(row, channels.dash) for _, row in unique.iterrows()]
    return Key(
        channels=channels,
        colours=tuple(colours),
        dashes=tuple(dict.fromkeys(words)),
        reach=(float(data[axis].min()), float(data[axis].max())),
    )


def draw_panel(axes: Axes, data: pd.DataFrame, key: Key, curve: Curve) -> None:
    """Draw the rows of one panel.

    Args:
        axes: where.
        data: rows of `curve_frame` and published ones.
        key: what colours and line styles stand for.
        curve: what is on the x axis.
    """
    if data.empty or not data["kind"].isin(["mean"]).any():
        text_panel(axes, "nothing measured yet")
        return
    names = ["kind", "model", "params", "line", "suite", "value", "low", "high"]
    names += [curve.axis, key.channels.colour, *key.channels.dash]
    ours = data.loc[data["kind"] != "published", list(dict.fromkeys(names))]
    sides = _sides(axes, ours)
    for (model, line, suite), group in ours.groupby(["model", "line", "suite"], sort=False):
        first = group.iloc[0]
        colour, marker = key.colour(first[key.channels.colour])
        is_trunk, is_blind = line == TRUNK_LINE, str(suite).endswith(BLIND)
        dash = _TRUNK_DASH if is_trunk else key.dash(words_of(first, key.channels.dash))
        marker = "x" if is_trunk else _BLIND_MARKER if is_blind else marker
        alpha = _FAINT if is_blind else 1.0
        _line(
            axes,
            group,
            curve.axis,
            (colour, marker, dash),
            alpha,
            sides[str(model), str(line), str(suite)],
        )
    published = where(data, "kind", "published")
    axes.plot(published[curve.axis], published["value"], "D", ms=6, mfc="none", mec=GREY, zorder=4)
    axes.axhline(0, color=GREY, linewidth=0.8)
    _scale(axes, curve, key.reach)


def handles_of(data: pd.DataFrame, key: Key) -> list[Line2D]:
    """Return the entries of a figure's legend: colours, then line styles, then what is not ours."""
    handles: list[Line2D] = []
    for value in key.colours:
        colour, marker = key.colour(value)
        label = axis_words(key.channels.colour, value)
        handles.append(Line2D([], [], color=colour, marker=marker, markersize=5, label=label))
    handles += [
        Line2D([], [], color="black", linestyle=key.dash(words), label=words)
        for words in key.dashes
        if words
    ]
    if (data["line"] == TRUNK_LINE).any():
        handles.append(
            Line2D([], [], color="black", marker="x", linestyle=_TRUNK_DASH, label=TRUNK_LINE)
        )
    if data["suite"].str.endswith(BLIND).any():
        marker, words = _BLIND_MARKER, "without the image"
        handles.append(Line2D([], [], color="black", alpha=_FAINT, marker=marker, label=words))
    for line in dict.fromkeys(data.loc[data["kind"] == "published", "line"]):
        handles.append(Line2D([], [], marker="D", mfc="none", mec=GREY, ls="none", label=str(line)))
    return handles


def _scale(axes: Axes, curve: Curve, reach: tuple[float, float]) -> None:
    if curve.is_log:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
        axes.xaxis.set_minor_locator(NullLocator())
    elif curve.is_share:
        axes.xaxis.set_major_formatter(PercentFormatter(xmax=1, decimals=0))
    else:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    low, high = reach
    if low < high:
        margin = (high / low) ** _MARGIN if curve.is_log else _MARGIN * (high - low)
        ends = (low / margin, high * margin) if curve.is_log else (low - margin, high + margin)
        axes.set_xlim(*ends)


def _sides(axes: Axes, data: pd.DataFrame) -> dict[tuple[str, str, str], Transform]:
    """Return where each line is drawn, a little to the side: by model, line and suite."""
    ordered = data.sort_values("params", kind="stable")[["model", "line", "suite"]]
    unique = ordered.drop_duplicates().itertuples(index=False, name=None)
    lines = [(str(model), str(line), str(suite)) for model, line, suite in unique]
    step = min(_SIDE_POINTS, _WIDEST_POINTS / len(lines))
    middle = (len(lines) - 1) / 2
    figure = axes.get_figure(root=True)
    assert figure is not None, "panels belong to a figure"
    inches = figure.dpi_scale_trans
    return {
        line: axes.transData + ScaledTranslation(step * (place - middle) / 72, 0, inches)
        for place, line in enumerate(lines)
    }


def _line(
    axes: Axes,
    group: pd.DataFrame,
    x: str,
    look: tuple[str, str, Dash],
    alpha: float,
    place: Transform,
) -> None:
    colour, marker, style = look
    is_single = (group["kind"] == "run").to_numpy(dtype=np.bool_)
    numbers = group[[x, "value", "low", "high"]].to_numpy(dtype=np.float64)
    singles, means = numbers[is_single], numbers[~is_single]
    means = means[means[:, 0].argsort(kind="stable")]
    faint = axes.plot(singles[:, 0], singles[:, 1], marker, ms=3, color=colour, alpha=0.3, mew=0)
    bars = axes.errorbar(
        means[:, 0],
        means[:, 1],
        yerr=error_lengths(*means[:, 1:].T.tolist()),
        color=colour,
        marker=marker,
        markersize=5,
        linestyle=style,
        linewidth=1.4,
        capsize=2.5,
        elinewidth=0.9,
        alpha=alpha,
    )
    # Moved once the axes have taken their limits, which they take from places in data alone.
    for artist in (*faint, *bars.get_children()):
        artist.set_transform(place)
