"""The text losses of a study's trunks, as points to fit. Pure."""

from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.fits.clusters import cluster_keys
from analysis.fits.points import Points, clean_points
from analysis.laws.law import Array
from analysis.study import StudyResults, scores

SCALING_ARM = "scaling"
"""If a study has an arm of this name, its models alone are fitted."""

_CELL = ["model", "tokens", "text_tokens"]

TRUNK = "trunk"
"""Column that says which trunk a loss is of: its segments share their noise."""
FEWEST_TRUNKS = 8
"""With fewer trunks, points are resampled one by one: so few clusters would say nothing."""


def trunk_losses(study: StudyResults) -> pd.DataFrame:
    """Return held-out text losses of trunk segments: one row each, with the `trunk` it is of."""
    table = study.table
    rows = table.arm_rows(SCALING_ARM)
    if rows.empty:
        rows = table.results
    losses = scores(rows, "loss", "val_text_loss", "nats_per_token")
    losses = losses[losses["stage"] == "text_pretrain"].drop_duplicates("run_id")
    parents = {run.run_id: run.needs for run in study.runs}
    roots = [_root(str(run_id), parents) for run_id in losses["run_id"]]
    return losses.assign(trunk=roots).sort_values(["params", "tokens", "run_id"])


def on_frontier(losses: pd.DataFrame) -> NDArray[np.bool_]:
    """Return which rows belong to the compute-efficient frontier.

    Rows of equal model, tokens and trunk budget are one cell, with the mean loss over its seeds; a
    cell is on the frontier if no other cell reaches its loss or a lower one with as little compute
    or less.
    """
    grouped = losses.groupby(_CELL, as_index=False, dropna=False)
    cells = grouped[["flops", "value"]].mean()
    ordered = cells.sort_values(["flops", "value"])
    best_before = ordered["value"].cummin().shift(fill_value=np.inf)
    efficient = ordered[ordered["value"] < best_before]
    chosen = set(_keys(efficient))
    return np.array([key in chosen for key in _keys(losses)], dtype=np.bool_)


def points_of(losses: pd.DataFrame, inputs: tuple[str, ...], cluster: str | None = None) -> Points:
    """Return loss rows as points of a law.

    Args:
        losses: from `trunk_losses`.
        inputs: columns of the law's inputs.
        cluster: column whose equal values share their noise. None for the trunk, whose segments
            do, where there are at least `FEWEST_TRUNKS` of them.

    Raises:
        FitError: if there is no such column, or it is empty in some row.
    """
    name = cluster or (TRUNK if losses[TRUNK].nunique() >= FEWEST_TRUNKS else None)
    points = clean_points(
        column(losses, *inputs),
        column(losses, "value")[:, 0],
        [str(run_id) for run_id in losses["run_id"]],
        None if name is None else cluster_keys(losses, name),
    )
    return replace(points, clustered_by=name)


def column(frame: pd.DataFrame, *names: str) -> Array:
    """Return columns as floats, (rows, names)."""
    return frame[list(names)].to_numpy(dtype=np.float64)


def _keys(frame: pd.DataFrame) -> list[tuple[str, ...]]:
    """Return the cell of each row, as text, so that absent equals absent."""
    return [tuple(str(value) for value in row) for row in frame[_CELL].itertuples(index=False)]


def _root(run_id: str, parents: dict[str, tuple[str, ...]]) -> str:
    """Return the first segment of a trunk."""
    needs = parents.get(run_id, ())
    return _root(needs[0], parents) if needs else run_id
