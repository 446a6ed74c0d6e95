"""Fit a law to a frame or to points, for Python and notebooks: the front of the engine."""

from dataclasses import fields

import numpy as np
import pandas as pd

from analysis.fits.bootstrap import Bootstrap
from analysis.fits.clusters import check_clusters
from analysis.fits.engine import fit as fit_points
from analysis.fits.estimator import HUBER, Estimator
from analysis.fits.losses import FEWEST_TRUNKS, TRUNK
from analysis.fits.points import Points
from analysis.fits.table_points import points_of_table
from analysis.laws.law import Law
from analysis.shown_fit import ShownFit
from orchestrator.errors import FitError


def fit(  # noqa: PLR0913  (what is fitted, and how)
    data: pd.DataFrame | Points,
    law: Law,
    *,
    value: str = "value",
    estimator: Estimator = HUBER,
    intervals: Bootstrap | None = Bootstrap(),  # noqa: B008  (frozen)
    cluster: str | None = None,
    seed: int = 0,
) -> ShownFit:
    """Fit a law, with intervals, or refuse.

    Args:
        data: points; or a frame with the law's inputs and `value` as columns, in the law's units.
        law: one of `analysis.laws`.
        value: the column to fit; read of a frame alone.
        estimator: what to minimise.
        intervals: how to make intervals; None for none.
        cluster: column whose equal values share their noise and are resampled together, such as
            `params` or `seed`; None for `trunk`, where a frame has it and enough of them. Read of
            a frame alone.
        seed: of the bootstrap's resamples.

    Raises:
        FitError: if the frame is no table that could be fitted (see `points_of_table`), if there
            are too few clusters, or if the points allow no fit that could be trusted.
    """
    if isinstance(data, pd.DataFrame):
        points = _points(data, law, value, cluster)
    elif cluster is not None:
        raise FitError(
            f"points have no column {cluster}", "cluster", "give `Points` their `clusters`"
        )
    else:
        points = data
    made = fit_points(
        law, points, np.random.default_rng(seed), estimator=estimator, intervals=intervals
    )
    return ShownFit(**{part.name: getattr(made, part.name) for part in fields(made)})


def _points(frame: pd.DataFrame, law: Law, value: str, cluster: str | None) -> Points:
    """Return a frame's rows as points; rows of equal trunk are resampled together, if enough."""
    trunks = frame[TRUNK].nunique() if TRUNK in frame else 0
    by = TRUNK if cluster is None and trunks >= FEWEST_TRUNKS else cluster
    points = points_of_table(frame, law.inputs, value, by, is_zero_allowed=law.may_be_zero)
    if cluster is not None:
        check_clusters(points.clusters, cluster)
    return points
