"""Points from a table that somebody else made: what is wrong in it is named by row. Pure."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.fits.clusters import cluster_keys
from analysis.fits.points import Points, clean_points
from analysis.laws.law import Array
from orchestrator.errors import FitError

LARGEST_STEP = 1e5
"""Neighbouring values of an input further apart than this are taken for mixed units."""
_SHOWN_ROWS = 10
_ONE_OF = {"study": "the rows of one study", "code": "the rows of one code version"}
"""Columns that say where a row comes from: rows of different origin are not fitted together."""


def points_of_table(
    frame: pd.DataFrame,
    inputs: Sequence[str],
    observed: str,
    cluster: str | None = None,
    *,
    is_zero_allowed: bool | NDArray[np.bool_] = False,
) -> Points:
    """Return a table's rows as points; absent and non-positive values are dropped by name.

    Args:
        frame: one row for each run; its index gives the row numbers, `run_id` the points' names.
        inputs: columns of the law's inputs.
        observed: column of what is fitted.
        cluster: column whose equal values share their noise, such as a seed or a size.
        is_zero_allowed: whether inputs may be 0, or which, (inputs,): a law's `may_be_zero`.

    Raises:
        FitError: if the table is empty or lacks a column; if a column holds text; if a row has no
            cluster; if rows are there twice; if rows of several studies or code versions are mixed;
            if an input has values in several units, or never varies.
    """
    names = [*inputs, observed]
    _check_columns(frame, names)
    for name in names:
        _check_numbers(frame, name)
    _check_origin(frame)
    _check_doubled(frame, names)
    values = frame[names].to_numpy(dtype=np.float64)
    named = frame["run_id"] if "run_id" in frame.columns else frame.index.map("row {}".format)
    labels = [str(name) for name in named]
    keys = None if cluster is None else cluster_keys(frame, cluster)
    made = clean_points(
        values[:, :-1], values[:, -1], labels, keys, is_zero_allowed=is_zero_allowed
    )
    points = replace(made, clustered_by=cluster)
    for name, column in zip(inputs, points.inputs.T, strict=True):
        _check_spread(name, column, points)
    return points


def _check_columns(frame: pd.DataFrame, names: Sequence[str]) -> None:
    missing = [name for name in names if name not in frame.columns]
    if missing:
        raise FitError(
            f"no column {', '.join(missing)}",
            f"its columns are {', '.join(map(str, frame))}",
            f"give {', '.join(names)}: rename columns, or name another one",
        )
    if frame.empty:
        raise FitError("the table has no rows", "table", "run `sweep results STUDY.yaml` first")


def _check_numbers(frame: pd.DataFrame, name: str) -> None:
    numbers = pd.to_numeric(frame[name], errors="coerce")
    bad = numbers.isna() & frame[name].notna()
    is_text = frame[name].map(lambda value: isinstance(value, str))
    bad |= is_text
    if bad.any():
        rows = [str(row) for row in frame.index[bad]]
        shown = frame[name][bad].iloc[0]
        raise FitError(f"{name} is {shown!r}", _rows(rows), "give numbers, or leave the rows out")


def _check_origin(frame: pd.DataFrame) -> None:
    for name, words in _ONE_OF.items():
        if name in frame.columns and frame[name].nunique() > 1:
            usual = frame[name].mode().iloc[0]
            others = [str(row) for row in frame.index[frame[name] != usual]]
            raise FitError(
                f"{name} is {usual!r} in most rows and not in others",
                _rows(others),
                f"fit {words}, or drop the column if they are known to be alike",
            )


def _check_doubled(frame: pd.DataFrame, names: Sequence[str]) -> None:
    keys = ["run_id"] if "run_id" in frame.columns else list(names)
    doubled = frame.duplicated(keys) & frame[names].notna().all(axis=1)
    if doubled.any():
        rows = [str(row) for row in frame.index[doubled]]
        raise FitError(
            f"{len(rows)} rows repeat an earlier one", _rows(rows), "leave all but the first out"
        )


def _check_spread(name: str, column: Array, points: Points) -> None:
    ordered = np.sort(column)
    if len(ordered) and ordered[0] == ordered[-1]:
        raise FitError(
            f"{name} is {ordered[0]:g} in every row",
            f"{len(points)} rows",
            f"add runs with another value of {name}, or fit a law without it",
        )
    ordered = ordered[ordered > 0]
    steps = ordered[1:] / ordered[:-1]
    if len(steps) and steps.max() > LARGEST_STEP:
        cut = float(ordered[int(steps.argmax())])
        low = [label for label, value in zip(points.labels, column, strict=True) if value <= cut]
        high = [label for label, value in zip(points.labels, column, strict=True) if value > cut]
        fewer = min(low, high, key=len)
        raise FitError(
            f"{name} jumps by a factor of {steps.max():.3g}: mixed units?",
            _rows([label.removeprefix("row ") for label in fewer]),
            "give every row in one unit",
        )


def _rows(rows: Sequence[str]) -> str:
    more = len(rows) - _SHOWN_ROWS
    shown = ", ".join(rows[:_SHOWN_ROWS])
    return f"row{'s' if len(rows) > 1 else ''} {shown}" + (f" and {more} more" if more > 0 else "")
