"""Scores against one axis of a study, a line for each model: what figures 4, 5, 6 and 8 share."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from analysis.figures.curve_panel import draw_panel
from analysis.figures.drawn import Drawn, missing_lines
from analysis.figures.style import finish, interval_words, panels
from analysis.intervals import mean_over
from analysis.study import StudyResults, where
from orchestrator.errors import RecordError

SCORE = "stable_score"
"""Mean over a suite's benchmarks of the score above the random baseline."""
TRUNK_LINE = "text-only trunk"
"""Line of models that never saw an image."""

_PUBLISHED_BENCHMARKS = {"vqav2": "VQAv2", "arceasy": "ARC-easy"}
"""Benchmarks that the paper draws by themselves, by their names without separators."""
_NO_LINES = frozenset({"seed", "model"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """What is drawn against what."""

    name: str
    """Name in a study's `feeds`."""
    title: str
    """What it shows, in a line."""
    axis: str
    """Column on the x axis."""
    label: str
    """Its name with unit, for people."""
    is_share: bool
    """Whether the axis holds fractions, shown in per cent."""
    facet: str | None = None
    """Column whose values make rows of panels, in arms that vary it; each arm has its own rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One column of panels."""

    suite: str
    benchmark: str
    metric: str
    words: str
    """Heading."""
    label: str
    """Name and unit of the y axis."""


AVERAGES = (
    Panel(
        suite="vision",
        benchmark="average",
        metric=SCORE,
        words="Vision",
        label="stable score (above chance)",
    ),
    Panel(
        suite="text",
        benchmark="average",
        metric=SCORE,
        words="Text",
        label="stable score (above chance)",
    ),
)
"""What every curve figure shows."""


def draw_curve(study: StudyResults, curve: Curve, published: pd.DataFrame | None = None) -> Drawn:
    """Draw a curve figure.

    Args:
        study: what was planned and measured.
        curve: what to draw.
        published: comparable published values, in the columns of `curve_frame` with the kind
            `published`.

    Raises:
        RecordError: if no arm feeds it, or nothing of its arms has been measured.
    """
    arms = study.arms_of(curve.name)
    suites = [panel.suite for panel in AVERAGES]
    missing = missing_lines(study, study.missing(arms, suites))
    data = curve_frame(study, curve)
    if data.empty or not (data["line"] != TRUNK_LINE).any():
        raise RecordError(
            f"nothing of its arms has been measured ({len(missing)} evaluations are missing)",
            f"{curve.name}: {', '.join(arms) or 'no arm feeds it'}",
            "run `sweep launch`, then `sweep results`",
        )
    if published is not None:
        data = pd.concat([data, published], ignore_index=True)
    columns = panels_of(study.table.rows(arms))
    facets = list(dict.fromkeys(data["facet"]))
    figure, grid = panels(len(facets), len(columns))
    models = list(dict.fromkeys(data.sort_values("params")["model"]))
    for row, facet in enumerate(facets):
        for column, panel in enumerate(columns):
            axes = grid[row, column]
            here = where(where(data, "panel", panel.words), "facet", facet)
            draw_panel(axes, here, models, x=curve.axis, is_share=curve.is_share)
            heading = f"{panel.words} ({facet.replace('_', ' ')})" if facet else panel.words
            axes.set_title(heading, fontsize=9, loc="left")
            axes.set_xlabel(curve.label, fontsize=8)
            axes.set_ylabel(panel.label, fontsize=8)
    finish(figure, curve.title, missing)
    return Drawn(
        name=curve.name,
        title=curve.title,
        caption=_caption(data, arms),
        figure=figure,
        data=data,
        missing=missing,
    )


def panels_of(rows: pd.DataFrame) -> tuple[Panel, ...]:
    """Return the columns of panels: the averages, and benchmarks that the paper draws alone."""
    own: dict[str, Panel] = {}
    for row in rows[rows["baseline"].notna()].to_dict("records"):
        name = str(row["benchmark"])
        plain = name.lower().replace("_", "").replace("-", "")
        if plain in _PUBLISHED_BENCHMARKS and row["suite"] in ("vision", "text"):
            words = _PUBLISHED_BENCHMARKS[plain]
            own[words] = Panel(
                suite=str(row["suite"]),
                benchmark=name,
                metric=str(row["metric"]),
                words=words,
                label=f"{row['metric']}, in [0, 1]",
            )
    return (*AVERAGES, *(own[words] for words in sorted(own)))


def curve_frame(study: StudyResults, curve: Curve) -> pd.DataFrame:
    """Return the plotted numbers: means over seeds (`kind` mean) and single models (`kind` run).

    Where the arms hold models that never saw an image, they are a line of their own.
    """
    rows = study.table.rows(study.arms_of(curve.name))
    rows = rows[rows[curve.axis].notna()]
    is_trunk = rows["subject_stage"] == "text_pretrain"
    seen = _with_facets(rows[~is_trunk], curve)
    facets = list(dict.fromkeys(seen["facet"]))
    lines = _line_axes(study, seen, curve)
    parts: list[dict[str, object]] = []
    for panel in panels_of(rows):
        for facet in facets:
            here = where(seen, "facet", facet)
            trunks = rows[is_trunk & rows["model"].isin(here["model"])]
            parts += _groups(here, panel, curve, lines, facet)
            parts += _groups(trunks, panel, curve, [], facet, line=TRUNK_LINE)
    return pd.DataFrame(parts)


def _with_facets(rows: pd.DataFrame, curve: Curve) -> pd.DataFrame:
    """Add a `facet` column: the arm, and the value of the facet's column where the arm varies it.

    An arm varies it if some model was measured at one place of the axis under two values; a value
    that changes along the axis (the re-warmed last point) stays on its line.
    """
    if curve.facet is None or rows.empty:
        return rows.assign(facet="")
    parts: list[pd.DataFrame] = []
    for arm, own in rows.groupby("arm", sort=False):
        places = own.groupby(["model", "seed", curve.axis], dropna=False)[curve.facet]
        is_varied = bool((places.nunique() > 1).any())
        values = own[curve.facet].astype("str")
        parts.append(own.assign(facet=f"{arm}: " + values if is_varied else str(arm)))
    return pd.concat(parts, ignore_index=True)


def _line_axes(study: StudyResults, rows: pd.DataFrame, curve: Curve) -> list[str]:
    """Return the further axes that vary in these rows, each combination a line of its own."""
    known = [name for name in study.table.axes if name in rows]
    fixed = _NO_LINES | {curve.axis, curve.facet}
    return [name for name in known if name not in fixed and rows[name].nunique(dropna=False) > 1]


def _groups(
    rows: pd.DataFrame,
    panel: Panel,
    curve: Curve,
    lines: Sequence[str],
    facet: str,
    *,
    line: str = "",
) -> list[dict[str, object]]:
    """Return the points of one panel: groups of rows that differ in their seed alone."""
    chosen = where(where(rows, "suite", panel.suite), "benchmark", panel.benchmark)
    chosen = where(chosen, "metric", panel.metric)
    chosen = chosen[chosen["value"].notna()].drop_duplicates(["run_id", curve.axis])
    points: list[dict[str, object]] = []
    for _, group in chosen.groupby(["model", *lines, curve.axis], dropna=False):
        first = group.iloc[0]
        own = ", ".join(f"{name.replace('_', ' ')} {_value_words(first[name])}" for name in lines)
        shared: dict[str, object] = {
            "panel": panel.words,
            "suite": panel.suite,
            "benchmark": panel.benchmark,
            "metric": panel.metric,
            "facet": facet,
            "model": first["model"],
            "params": first["params"],
            "line": line or own,
            curve.axis: first[curve.axis],
        }
        points += _points(group, shared)
    return points


def _points(group: pd.DataFrame, shared: dict[str, object]) -> list[dict[str, object]]:
    mean = mean_over(group["value"].tolist(), group["stderr"].tolist(), "seeds")
    row = {
        **shared,
        "kind": "mean",
        "value": mean.value,
        "low": mean.low,
        "high": mean.high,
        "interval": mean.method,
        "run_ids": ";".join(group["run_id"]),
        "code": ";".join(sorted({str(code) for code in group["code"].dropna()})),
    }
    singles = [
        {**shared, "kind": "run", "value": value, "run_ids": run_id, "code": code}
        for value, run_id, code in zip(group["value"], group["run_id"], group["code"], strict=True)
    ]
    return [row, *(singles if len(singles) > 1 else [])]


def _value_words(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _caption(data: pd.DataFrame, arms: Sequence[str]) -> str:
    methods = data.loc[data["kind"] == "mean", "interval"].tolist()
    published = (
        " Values marked published are the paper's." if "published" in set(data["kind"]) else ""
    )
    return (
        f"Arms: {', '.join(arms)}. Stable score: mean over the suite's benchmarks of the score "
        f"above chance. Lines join means; faint points are single models. "
        f"{interval_words(methods)}{published}"
    )
