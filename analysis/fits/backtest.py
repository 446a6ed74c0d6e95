"""How well a law predicts what it has not seen: fit without the largest scale, then compare."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.fits.engine import fit
from analysis.fits.estimator import HUBER, Estimator
from analysis.fits.points import Points
from analysis.laws.law import Array, Law
from orchestrator.errors import FitError


@dataclass(frozen=True, slots=True, kw_only=True)
class Backtest:
    """Errors of a prediction on points that were held out."""

    held_out: str
    """What was left out, in words."""
    points: int
    """How many points that were."""
    fitted: int
    """How many the law was fitted to."""
    extrapolation: float
    """Largest scale predicted over the largest one fitted."""
    mean_absolute_error: float
    """Mean of |predicted / observed - 1|."""
    largest_error: float
    """Largest |predicted / observed - 1|."""
    bias: float
    """Mean of predicted / observed - 1."""


def hold_out_largest(
    law: Law, points: Points, scale: Array, *, name: str, estimator: Estimator = HUBER
) -> Backtest:
    """Leave the points of the largest scale out, fit the others, and predict them.

    Args:
        law: what to fit.
        points: n of them.
        scale: of each point, (n,), above 0.
        name: of the scale, for the record.
        estimator: what to minimise.

    Raises:
        FitError: if the scale has one value only, or the rest of the points allow no fit.
    """
    if len(np.unique(scale)) < 2:
        raise FitError(f"{name} has one value only", "back-test", "measure at more than one scale")
    kept: NDArray[np.bool_] = scale < scale.max()
    words = f"{name} = {scale.max():.4g}"
    return hold_out(law, points, kept, scale, held_out=words, estimator=estimator)


def hold_out(
    law: Law,
    points: Points,
    kept: NDArray[np.bool_],
    scale: Array,
    *,
    held_out: str,
    estimator: Estimator = HUBER,
) -> Backtest:
    """Fit the points where `kept` (n,) is true and predict the others.

    Raises:
        FitError: if the kept points allow no fit.
    """
    fitted = fit(
        law,
        points.subset(kept, f"held out: {held_out}"),
        np.random.default_rng(0),
        estimator=estimator,
    )
    error = fitted.predict(points.inputs[~kept]) / points.observed[~kept] - 1
    return Backtest(
        held_out=held_out,
        points=len(error),
        fitted=int(kept.sum()),
        extrapolation=float(scale[~kept].max() / scale[kept].max()),
        mean_absolute_error=float(np.abs(error).mean()),
        largest_error=float(np.abs(error).max()),
        bias=float(error.mean()),
    )


def hold_out_each(
    law: Law, points: Points, scale: Array, *, name: str, estimator: Estimator = HUBER
) -> tuple[Backtest | FitError, ...]:
    """Leave each value of a scale out in turn; one that leaves no fit is the refusal.

    Args:
        law: what to fit.
        points: n of them.
        scale: of each point, (n,), above 0.
        name: of the scale, for the record.
        estimator: what to minimise.
    """
    return tuple(
        _or_refusal(law, points, scale != value, scale, f"{name} = {value:.4g}", estimator)
        for value in np.unique(scale)
    )


def grow(
    law: Law, points: Points, scale: Array, *, name: str, estimator: Estimator = HUBER
) -> tuple[Backtest | FitError, ...]:
    """Fit up to each value of a scale, least first, and predict all that lies above it."""
    return tuple(
        _or_refusal(law, points, scale <= value, scale, f"{name} > {value:.4g}", estimator)
        for value in np.unique(scale)[:-1]
    )


def _or_refusal(
    law: Law,
    points: Points,
    kept: NDArray[np.bool_],
    scale: Array,
    words: str,
    estimator: Estimator,
) -> Backtest | FitError:
    try:
        return hold_out(law, points, kept, scale, held_out=words, estimator=estimator)
    except FitError as error:
        return error.within(f"held out: {words}")
