"""Fit a law to a frame or to points, for Python and notebooks: the front of the engine."""

from dataclasses import fields

import numpy as np
import pandas as pd

from analysis.fits.bootstrap import Bootstrap
from analysis.fits.engine import fit as fit_points
from analysis.fits.estimator import HUBER, Estimator
from analysis.fits.losses import FEWEST_TRUNKS
from analysis.fits.points import Points
from analysis.fits.table_points import points_of_table
from analysis.laws.law import Law
from analysis.shown_fit import ShownFit

CLUSTER = "trunk"
"""Column of a frame that says which of its rows share their noise."""


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
        FitError: if the frame is no table that could be fitted (see `points_of_table`), or if the
            points allow no fit that could be trusted.
    """
    points = _points(data, law, value) if isinstance(data, pd.DataFrame) else data
    made = fit_points(
        law, points, np.random.default_rng(seed), estimator=estimator, intervals=intervals
    )
    return ShownFit(**{part.name: getattr(made, part.name) for part in fields(made)})


def _points(frame: pd.DataFrame, law: Law, value: str) -> Points:
    """Return a frame's rows as points; rows of equal trunk are resampled together, if enough."""
    trunks = frame[CLUSTER].nunique() if CLUSTER in frame else 0
    cluster = CLUSTER if trunks >= FEWEST_TRUNKS else None
    return points_of_table(frame, law.inputs, value, cluster)
