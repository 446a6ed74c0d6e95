"""Ends of intervals from bootstrap replicates. Pure."""

from enum import StrEnum

import numpy as np
from scipy import stats

from analysis.laws.law import Array


class Ends(StrEnum):
    """How an interval is read from replicates."""

    PERCENTILE = "percentile"
    """Quantiles of the replicates."""
    BCA = "BCa"
    """Quantiles corrected for bias and skewness (Efron 1987, doi:10.1080/01621459.1987.10478410).
    """


def ends_of(
    drawn: Array, level: float, *, value: float = np.nan, jackknife: Array | None = None
) -> tuple[float, float]:
    """Return an interval of a quantity.

    Args:
        drawn: the quantity in each replicate, (R,).
        level: coverage, in (0, 1).
        value: at the optimum of the full data; read for BCa alone.
        jackknife: without each point or cluster, (left out,); None for a percentile interval.
    """
    tail = np.array([(1 - level) / 2, (1 + level) / 2])
    if jackknife is not None:
        tail = _corrected(tail, drawn, value, jackknife)
    low, high = np.quantile(drawn, tail)
    return float(low), float(high)


def _corrected(tail: Array, drawn: Array, value: float, jackknife: Array) -> Array:
    """Return the shares of the replicates between which BCa puts its interval: equation 2.3."""
    below = ((drawn < value).mean() + (drawn <= value).mean()) / 2
    least = 0.5 / len(drawn)
    bias = float(stats.norm.ppf(min(max(float(below), least), 1 - least)))
    away = jackknife.mean() - jackknife
    spread = float((away**2).sum())
    skew = 0.0 if spread == 0 else float((away**3).sum()) / (6 * spread**1.5)
    shifted = bias + np.asarray(stats.norm.ppf(tail), dtype=np.float64)
    return np.asarray(stats.norm.cdf(bias + shifted / (1 - skew * shifted)), dtype=np.float64)
