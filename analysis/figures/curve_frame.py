"""The numbers of a curve figure: means over seeds with intervals, and single models. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from analysis.figures.curve import BLIND, TRUNK_LINE, Curve, Panel, panels_of
from analysis.figures.lines import Channels, channels_of, words_of
from analysis.intervals import mean_over
from analysis.published import beside_curve
from analysis.study import where

_SHARED = ("panel", "suite", "benchmark", "metric", "facet", "params", "line")

_READ = (
    "run_id", "suite", "benchmark", "metric", "value", "stderr", "code", "model", "params",
    "params_total", "learning_rate_rule", "cooldown_point", "image_ratio", "epochs",
)  # fmt: skip
"""Columns of results that points and the published values beside them are made of."""

Point = dict[str, Any]
"""A row of results by column."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Frame:
    """The numbers of a curve figure and how they are laid out."""

    data: pd.DataFrame
    """One row per point."""
    channels: Channels
    """What tells lines apart."""
    panels: tuple[Panel, ...]
    """Columns of panels."""


def curve_frame(
    rows: pd.DataFrame, cells: pd.DataFrame, axes: Sequence[str], curve: Curve
) -> Frame:
    """Return the plotted numbers, and what tells their lines apart.

    A row is a mean over seeds (`kind` mean), a single model of several (`kind` run), a planned
    point that was not measured (`kind` missing), or a number of the paper's that belongs beside
    them (`kind` published). Where the arms hold models that never saw an image, they are a line of
    their own. Facets and lines are those of the plan, whatever of it has been measured.

    Args:
        rows: results of the arms that feed the figure.
        cells: the models planned in these arms, with the `suites` planned for each,
            between semicolons.
        axes: of the study.
        curve: what is drawn.
    """
    rows, cells = rows[rows[curve.axis].notna()], cells[cells[curve.axis].notna()]
    is_trunk = rows["subject_stage"] == "text_pretrain"
    varied = _varying_arms(cells, curve)
    planned = _with_facets(cells[cells["stage"] != "text_pretrain"], curve, varied)
    seen = _with_facets(rows[~is_trunk], curve, varied)
    fixed = [curve.axis, *([curve.facet] if curve.facet else [])]
    channels = channels_of(planned, axes, fixed)
    planned, seen = _with_rows(planned, channels), _with_rows(seen, channels)
    facets = list(dict.fromkeys(planned.sort_values("facet_place", kind="stable")["facet"]))
    shown = panels_of(rows)
    # A frame is copied whole by each choice of rows: carry on what is read alone.
    read = [name for name in _READ if name in rows]
    read = list(dict.fromkeys([*read, *channels.axes, curve.axis]))
    trunk, seen = rows.loc[is_trunk, read], seen[[*read, "facet"]]
    parts: list[dict[str, object]] = []
    for panel in shown:
        for facet in facets:
            here = where(seen, "facet", facet)
            trunks = trunk[trunk["model"].isin(here["model"])]
            points = rows_of_panel(here, panel, curve, channels.axes, facet)
            parts += points
            asked = [f";{panel.suite};" in suites for suites in planned["suites"]]
            lacking = where(planned[asked], "facet", facet)
            parts += _missing(lacking, points, curve, channels.axes)
            if curve.has_blind:
                blind = replace(panel, suite=f"{panel.suite}{BLIND}")
                parts += rows_of_panel(here, blind, curve, channels.axes, facet)
            parts += rows_of_panel(trunks, panel, curve, (), facet, line=TRUNK_LINE)
    published = [
        beside.assign(facet=facet)
        for facet in facets
        if (beside := beside_curve(where(seen, "facet", facet), curve.axis)) is not None
    ]
    data = pd.concat([pd.DataFrame(parts), *published], ignore_index=True)
    return Frame(data=data, channels=channels, panels=shown)


def _varying_arms(cells: pd.DataFrame, curve: Curve) -> set[str]:
    """Return the arms that plan a model at one place of the axis under two of the facet's values.

    A value that changes along the axis (the re-warmed last point) does not make facets.
    """
    if curve.facet is None:
        return set()
    places = cells.groupby(["arm", "model", "seed", curve.axis], dropna=False)[curve.facet]
    varied = places.nunique()
    return {str(key[0]) for key in varied[varied > 1].index}


def _with_facets(rows: pd.DataFrame, curve: Curve, varied: set[str]) -> pd.DataFrame:
    """Add a `facet` column: the arm, and the facet's value where the arm varies it."""
    if curve.facet is None:
        return rows.assign(facet="")
    facets = [
        f"{arm}: {value}" if arm in varied else str(arm)
        for arm, value in zip(rows["arm"], rows[curve.facet], strict=True)
    ]
    return rows.assign(facet=facets)


def _missing(
    planned: pd.DataFrame,
    points: Sequence[dict[str, object]],
    curve: Curve,
    lines: Sequence[str],
) -> list[dict[str, object]]:
    """Return a row without a value for each planned place of a measured line that has no point."""
    first = {(point["model"], point["line"]): point for point in reversed(points)}
    known = {(point["model"], point["line"], point[curve.axis]) for point in points}
    gaps: list[dict[str, object]] = []
    names = list(dict.fromkeys(["model", *lines, curve.axis]))
    for record in planned[names].drop_duplicates().to_dict("records"):
        place = {str(name): value for name, value in record.items()}
        line = (place["model"], words_of(place, lines))
        if line in first and (*line, place[curve.axis]) not in known:
            shared = {name: first[line][name] for name in _SHARED}
            gaps.append({**shared, **place, "kind": "missing"})
    return gaps


def _with_rows(rows: pd.DataFrame, channels: Channels) -> pd.DataFrame:
    """Split facets by what has rows of its own; `facet_place` is the order of the rows."""
    order = {name: place for place, name in enumerate(dict.fromkeys(rows["facet"]))}
    places = rows["facet"].map(order).astype("float64")
    if not channels.row or rows.empty:
        return rows.assign(facet_place=places)
    names = list(channels.row)
    values = rows[names].drop_duplicates().sort_values(names)
    own = {
        _key(row.tolist()): (place, words_of(row, names))
        for place, (_, row) in enumerate(values.iterrows())
    }
    found = [own[_key(row)] for row in rows[names].itertuples(index=False, name=None)]
    facets = [
        f"{facet}: {words}" if facet else words
        for facet, (_, words) in zip(rows["facet"], found, strict=True)
    ]
    places = places * len(own) + [place for place, _ in found]
    return rows.assign(facet=facets, facet_place=places)


def rows_of_panel(
    rows: pd.DataFrame,
    panel: Panel,
    curve: Curve,
    lines: Sequence[str],
    facet: str,
    *,
    line: str = "",
) -> list[dict[str, object]]:
    """Return the points of one panel: groups of rows that differ in their seed alone."""
    chosen = rows[
        (rows["suite"] == panel.suite)
        & (rows["benchmark"] == panel.benchmark)
        & (rows["metric"] == panel.metric)
        & rows["value"].notna()
    ]
    keys = ["model", *lines, curve.axis]
    chosen = chosen.drop_duplicates(["run_id", *keys])  # a run may serve two arms
    points: list[dict[str, object]] = []
    for group in grouped(chosen.sort_values(keys, kind="stable"), keys):
        first = group[0]
        shared: dict[str, object] = {
            "panel": panel.words,
            "suite": panel.suite,
            "benchmark": panel.benchmark,
            "metric": panel.metric,
            "facet": facet,
            "model": first["model"],
            "params": first["params"],
            "line": line or words_of(first, lines),
            **{name: first[name] for name in lines},
            curve.axis: first[curve.axis],
        }
        points += points_of(group, shared)
    return points


def grouped(rows: pd.DataFrame, keys: Sequence[str]) -> list[list[Point]]:
    """Return rows that agree in some columns together, in the order in which they come."""
    names = list(dict.fromkeys([*keys, "params", "value", "stderr", "run_id", "code"]))
    groups: dict[tuple[object, ...], list[Point]] = {}
    for record in rows[names].to_dict("records"):
        point = {str(name): value for name, value in record.items()}
        groups.setdefault(_key([point[name] for name in keys]), []).append(point)
    return list(groups.values())


def _key(values: Sequence[Any]) -> tuple[object, ...]:
    """Return values that can be compared: absent ones are equal."""
    return tuple(None if pd.isna(value) else value for value in values)


def points_of(group: Sequence[Point], shared: dict[str, object]) -> list[dict[str, object]]:
    """Return the mean of models that differ in their seed alone, and each of several models."""
    values = [float(point["value"]) for point in group]
    mean = mean_over(values, [point["stderr"] for point in group], "seeds")
    codes = {str(point["code"]) for point in group if not pd.isna(point["code"])}
    row = {
        **shared,
        "kind": "mean",
        "value": mean.value,
        "low": mean.low,
        "high": mean.high,
        "interval": mean.method,
        "run_ids": ";".join(str(point["run_id"]) for point in group),
        "code": ";".join(sorted(codes)),
    }
    singles = [
        {**shared, "kind": "run", **{name: point[name] for name in ("value", "code")},
         "run_ids": point["run_id"]}
        for point in group
    ]  # fmt: skip
    return [row, *(singles if len(singles) > 1 else [])]
