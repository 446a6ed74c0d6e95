"""Fit a law to a frame or to points, for Python and notebooks: the front of the engine."""

from dataclasses import fields

import numpy as np
import pandas as pd

from analysis.fit.bootstrap import Bootstrap
from analysis.fit.engine import fit as fit_points
from analysis.fit.estimator import HUBER, Estimator
from analysis.fit.losses import FEWEST_TRUNKS
from analysis.fit.points import Points, clean_points
from analysis.laws.law import Law
from analysis.shown_fit import ShownFit
from orchestrator.errors import FitError

LABEL, CLUSTER = "run_id", "trunk"
"""Columns of a frame that name its points, and say which of them share their noise."""


def fit(
    data: pd.DataFrame | Points,
    law: Law,
    *,
    value: str = "value",
    estimator: Estimator = HUBER,
    intervals: Bootstrap | None = Bootstrap(),  # noqa: B008  (frozen)
    seed: int = 0,
) -> ShownFit:
    """Fit a law, with intervals, or refuse.

    Args:
        data: points; or a frame with the law's inputs and `value` as columns, in the law's units.
        law: one of `analysis.laws`.
        value: the column to fit; read of a frame alone.
        estimator: what to minimise.
        intervals: how to make intervals; None for none.
        seed: of the bootstrap's resamples.

    Raises:
        FitError: if a column is missing or holds no numbers, or if the points allow no fit that
            could be trusted.
    """
    points = points_of_frame(data, law, value) if isinstance(data, pd.DataFrame) else data
    made = fit_points(
        law, points, np.random.default_rng(seed), estimator=estimator, intervals=intervals
    )
    return ShownFit(**{part.name: getattr(made, part.name) for part in fields(made)})


def points_of_frame(frame: pd.DataFrame, law: Law, value: str = "value") -> Points:
    """Return a frame's rows as points of a law.

    They are named by `run_id`, or by the frame's index. Rows of equal `trunk` are resampled
    together if there are at least `FEWEST_TRUNKS` of these. What is absent or not positive is left
    out by name.

    Raises:
        FitError: if a column is missing or holds something else than numbers.
    """
    names = [*law.inputs, value]
    missing = [name for name in names if name not in frame]
    if missing:
        raise FitError(
            f"the frame has no column {', '.join(missing)}",
            where=f"its columns are {', '.join(str(name) for name in frame.columns)}",
            mend=f"give {', '.join(names)}: rename columns, or pass value=...",
        )
    try:
        numbers = frame[names].to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise FitError(
            f"a column holds something else than numbers ({error})",
            where=", ".join(names),
            mend="turn it into numbers with pandas.to_numeric",
        ) from error
    labels = frame[LABEL] if LABEL in frame else frame.index.to_series()
    trunks = [str(trunk) for trunk in frame[CLUSTER]] if CLUSTER in frame else []
    return clean_points(
        numbers[:, :-1],
        numbers[:, -1],
        [str(label) for label in labels],
        trunks if len(set(trunks)) >= FEWEST_TRUNKS else None,
    )
