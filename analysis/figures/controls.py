"""Controls: the same questions with the image, without it, and with another question's image."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from analysis.figures.drawn import Drawn, missing_lines
from analysis.figures.style import (
    COLOURS,
    error_lengths,
    finish,
    interval_words,
    legend_beside,
    panels,
)
from analysis.intervals import mean_over
from analysis.study import StudyResults, where
from orchestrator.errors import RecordError

NAME = "controls"
TITLE = "Controls: do the models look at the image?"
SUITES = {
    "vision": ("its image", "o"),
    "vision_blind": ("no image", "s"),
    "vision_permuted": ("another image", "^"),
}
"""Suite -> words and marker."""
_OFFSET = 0.22


def draw(study: StudyResults) -> Drawn:
    """Draw the score on each benchmark under each control, a panel for each model.

    Raises:
        RecordError: if nothing of its arms has been measured.
    """
    arms = study.arms_of(NAME)
    data = frame(study)
    missing = missing_lines(study, study.missing(arms, list(SUITES)))
    if data.empty:
        raise RecordError(
            f"nothing of its arms has been measured ({len(missing)} evaluations are missing)",
            f"{NAME}: {', '.join(arms) or 'no arm feeds it'}",
            "run `sweep launch`, then `sweep results`",
        )
    models = list(dict.fromkeys(data.sort_values("params")["model"]))
    figure, grid = panels(1, len(models))
    for axes, model in zip(grid[0], models, strict=True):
        _panel(axes, where(data, "model", model))
        axes.set_title(model, fontsize=9, loc="left")
    legend_beside(figure, *grid[0, 0].get_legend_handles_labels())
    finish(figure, TITLE, missing)
    return Drawn(
        name=NAME,
        title=TITLE,
        caption=f"Arms: {', '.join(arms)}. Mean over the arms' models of each size, seed by seed; "
        "black bars: what a random guesser scores. " + interval_words(data["interval"].tolist()),
        figure=figure,
        data=data,
        missing=missing,
    )


def frame(study: StudyResults) -> pd.DataFrame:
    """Return the plotted numbers: one row per model, benchmark and control.

    A benchmark's own metric is the first that has a random baseline, as in the tables; its parts
    and other scores of the same answers have one too. Models of one seed are averaged first, so
    that the interval is over seeds; with one seed it is the mean standard error.
    """
    rows = study.table.rows(study.arms_of(NAME)).drop_duplicates(["run_id", "benchmark", "metric"])
    rows = rows[rows["suite"].isin(list(SUITES)) & rows["value"].notna() & rows["baseline"].notna()]
    own = rows[["benchmark", "metric"]].drop_duplicates("benchmark")
    rows = rows.merge(own, on=["benchmark", "metric"])
    parts: list[dict[str, object]] = []
    keys = ["params", "model", "benchmark", "metric", "suite"]
    for key, group in rows.groupby(keys):
        by_seed = group.groupby("seed", dropna=False)[["value", "stderr"]].mean()
        mean = mean_over(by_seed["value"].tolist(), by_seed["stderr"].tolist(), "seeds")
        parts.append(
            {
                **dict(zip(keys, key, strict=True)),
                "value": mean.value,
                "low": mean.low,
                "high": mean.high,
                "baseline": group["baseline"].mean(),
                "interval": mean.method,
                "models": group["subject"].nunique(),
                "run_ids": ";".join(group["run_id"]),
                "code": ";".join(sorted({str(code) for code in group["code"].dropna()})),
            }
        )
    return pd.DataFrame(parts)


def _panel(axes: Axes, data: pd.DataFrame) -> None:
    names = sorted(data["benchmark"].unique(), key=lambda name: (name == "average", name))
    for i, (suite, (words, marker)) in enumerate(SUITES.items()):
        own = data[data["suite"] == suite]
        place = np.array([names.index(name) for name in own["benchmark"]]) + _OFFSET * (i - 1)
        lengths = error_lengths(own["value"].tolist(), own["low"].tolist(), own["high"].tolist())
        axes.errorbar(
            place, own["value"], yerr=lengths, fmt=marker, color=COLOURS[i], ms=5, capsize=2.5,
            elinewidth=0.9, label=words,
        )  # fmt: skip
    chance = data.groupby("benchmark")["baseline"].mean()
    for place, name in enumerate(names):
        label = "chance" if place == 0 else "_"  # a leading underscore keeps it from the legend
        axes.hlines(chance[name], place - 0.36, place + 0.36, color="black", lw=1.2, label=label)
    axes.set_xticks(range(len(names)), names, rotation=30, ha="right", fontsize=8)
    lowest = float(data["low"].min())  # an interval may reach below 0; NaN where there is none
    axes.set_ylim(bottom=1.05 * lowest if lowest < 0 else 0.0)
    axes.set_ylabel("score, in [0, 1]", fontsize=8)
