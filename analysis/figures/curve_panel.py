"""One panel of a curve figure: a line for each model, with intervals and single runs."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, PercentFormatter

from analysis.figures.style import GREY, LINES, error_lengths, legend, look, text_panel
from analysis.study import where


def draw_panel(
    axes: Axes, data: pd.DataFrame, models: Sequence[str], *, x: str, is_share: bool
) -> None:
    """Draw the rows of one panel.

    Args:
        axes: where.
        data: rows of `curve_frame`.
        models: every model of the figure, by size: each has one colour in all panels.
        x: column on the x axis.
        is_share: whether it holds fractions.
    """
    if data.empty:
        text_panel(axes, "nothing measured yet")
        return
    names = list(dict.fromkeys(data.loc[data["kind"] != "published", "line"]))
    styles = {name: LINES[i % len(LINES)] for i, name in enumerate(names)}
    for model in models:
        for name in names:
            group = where(where(data, "model", model), "line", name)
            if not group.empty:
                label = f"{model}, {name}" if name else model
                _line(axes, group, x, label, (*look(list(models).index(model)), styles[name]))
    published = where(data, "kind", "published")
    for name, group in published.groupby("line"):
        axes.plot(group[x], group["value"], "D", ms=6, mfc="none", mec=GREY, label=str(name))
    axes.axhline(0, color=GREY, linewidth=0.8)
    if is_share:
        axes.xaxis.set_major_formatter(PercentFormatter(xmax=1, decimals=0))
    else:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    legend(axes)


def _line(axes: Axes, group: pd.DataFrame, x: str, label: str, look: tuple[str, str, str]) -> None:
    colour, marker, style = look
    means = group[group["kind"] == "mean"].sort_values(x)
    singles = group[group["kind"] == "run"]
    axes.plot(singles[x], singles["value"], marker, ms=3, color=colour, alpha=0.3, mew=0)
    axes.errorbar(
        means[x],
        means["value"],
        yerr=error_lengths(means["value"].tolist(), means["low"].tolist(), means["high"].tolist()),
        color=colour,
        marker=marker,
        markersize=5,
        linestyle=style,
        linewidth=1.4,
        capsize=2.5,
        elinewidth=0.9,
        label=label,
    )
