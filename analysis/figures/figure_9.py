"""Figure 9: text benchmarks of models that saw images, against the text-only trunk run to its end.

That the paper's figure compares with the trunk's last checkpoint is a reading.
"""

import math

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from analysis.axis_words import value_words
from analysis.figures.curve import SCORE, TRUNK_LINE, Curve, Panel
from analysis.figures.curve_frame import grouped, points_of, rows_of_panel
from analysis.figures.curve_panel import Key, draw_panel, handles_of, key_of
from analysis.figures.drawn import Drawn, missing_lines
from analysis.figures.lines import channels_of
from analysis.figures.style import finish, interval_words, legend_beside, panels
from analysis.study import StudyResults, where
from orchestrator.errors import RecordError

NAME = "figure_9"
CURVE = Curve(
    name=NAME,
    title="Text benchmarks against text-only completion",
    axis="cooldown_point",
    label="share of the text budget seen before images (%)",
    is_share=True,
)
COMPLETION = "text-only completion (trunk at 100 %)"
EPOCHS = 2
"""Fine-tuning epochs shown, or the nearest measured: "2 keeps text highest" in the paper."""
_COLUMNS = 4
_BAND = 0.15


def draw(study: StudyResults) -> Drawn:
    """Draw each text benchmark against the cooldown point, with the finished trunk's own score.

    Raises:
        RecordError: if nothing of its arms has been measured.
    """
    arms = study.arms_of(NAME)
    missing = missing_lines(study, study.missing(arms, ["text"]))
    rows = _rows(study)
    is_trunk = rows["subject_stage"] == "text_pretrain"
    seen = rows[~is_trunk].assign(facet="")
    if seen.empty:
        raise RecordError(
            f"no model that saw images has been measured ({len(missing)} evaluations are missing)",
            f"{NAME}: {', '.join(arms) or 'no arm feeds it'}",
            "run `sweep launch`, then `sweep results`",
        )
    channels = channels_of(seen, study.table.axes, [CURVE.axis])
    shown = _panels(rows)
    parts = [
        row
        for panel in shown
        for row in (
            *rows_of_panel(seen, panel, CURVE, channels.axes, ""),
            *rows_of_panel(rows[is_trunk], panel, CURVE, (), "", line=TRUNK_LINE),
            *_completion(rows[is_trunk], panel),
        )
    ]
    data = pd.DataFrame(parts)
    columns = min(_COLUMNS, len(shown))
    figure, grid = panels(math.ceil(len(shown) / columns), columns)
    key = key_of(data[data["kind"] != "completion"], channels, CURVE.axis)
    for place, axes in enumerate(grid.ravel()):
        if place >= len(shown):
            axes.set_visible(False)
            continue
        panel = shown[place]
        here = where(data, "panel", panel.words)
        draw_panel(axes, here[here["kind"] != "completion"], key, CURVE)
        _bands(axes, where(here, "kind", "completion"), key)
        axes.set_title(panel.words, fontsize=9, loc="left")
        axes.set_ylabel(panel.label, fontsize=8)
        if place + columns >= len(shown):
            axes.set_xlabel(CURVE.label, fontsize=8)
    handles = handles_of(data, key)
    if (data["kind"] == "completion").any():
        handles.append(Line2D([], [], color="black", linestyle=":", label="the trunk at 100 %"))
    legend_beside(figure, handles)
    finish(figure, CURVE.title, missing)
    return Drawn(
        name=NAME,
        title=CURVE.title,
        caption=_caption(seen, data, arms),
        figure=figure,
        data=data,
        missing=missing,
    )


def _rows(study: StudyResults) -> pd.DataFrame:
    """Return text scores of the arms: of trunks, and of models after the epochs that are shown."""
    rows = study.table.rows(study.arms_of(NAME))
    rows = rows[(rows["suite"] == "text") & rows[CURVE.axis].notna() & rows["value"].notna()]
    known = sorted(float(epochs) for epochs in rows["epochs"].dropna().unique())
    nearest = min(known, key=lambda epochs: abs(epochs - EPOCHS), default=None)
    return rows[(rows["epochs"] == nearest) | (rows["subject_stage"] == "text_pretrain")]


def _panels(rows: pd.DataFrame) -> list[Panel]:
    """Return a panel for each benchmark's own metric, the average last."""
    known = rows[rows["baseline"].notna() & (rows["benchmark"] != "average")]
    own = [
        Panel(
            suite="text",
            benchmark=str(row["benchmark"]),
            metric=str(row["metric"]),
            words=str(row["benchmark"]),
            label=f"{row['metric']}, in [0, 1]",
        )
        for row in known.drop_duplicates("benchmark")[["benchmark", "metric"]].to_dict("records")
    ]
    average = Panel(
        suite="text",
        benchmark="average",
        metric=SCORE,
        words="all of them",
        label="stable score (above chance)",
    )
    return [*own, average]


def _completion(trunks: pd.DataFrame, panel: Panel) -> list[dict[str, object]]:
    """Return the score of each model's finished trunk."""
    chosen = trunks[
        (trunks["benchmark"] == panel.benchmark)
        & (trunks["metric"] == panel.metric)
        & (trunks[CURVE.axis] == 1)
    ].drop_duplicates("run_id")
    found: list[dict[str, object]] = []
    for group in grouped(chosen, ["model"]):
        shared: dict[str, object] = {
            "panel": panel.words,
            "suite": panel.suite,
            "benchmark": panel.benchmark,
            "metric": panel.metric,
            "facet": "",
            "model": group[0]["model"],
            "params": group[0]["params"],
            "line": COMPLETION,
        }
        found.append({**points_of(group, shared)[0], "kind": "completion"})
    return found


def _bands(axes: Axes, data: pd.DataFrame, key: Key) -> None:
    for row in data.to_dict("records"):
        colour, _ = key.colour(row["model"] if key.channels.colour == "model" else None)
        axes.axhline(float(row["value"]), color=colour, linestyle=":", linewidth=1.2)
        if pd.notna(row["low"]):
            axes.axhspan(float(row["low"]), float(row["high"]), color=colour, alpha=_BAND, lw=0)


def _caption(seen: pd.DataFrame, data: pd.DataFrame, arms: tuple[str, ...]) -> str:
    epochs = ", ".join(value_words("epochs", value) for value in seen["epochs"].unique())
    methods = data.loc[data["kind"] != "run", "interval"].tolist()
    return (
        f"Arms: {', '.join(arms)}. Models after {epochs} of fine-tuning; dotted lines with bands: "
        "the same model's text-only trunk at the end of its budget. Lines stand side by side at "
        f"each place. {interval_words(methods)}"
    )
