"""Means with their uncertainty, and how it was made. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

# Quantiles come from scipy.special: scipy.stats takes a second to load, for the same functions.
LEVEL = 0.9
"""Coverage of every interval in figures, findings and fits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A number with its interval."""

    value: float
    """The mean."""
    low: float | None
    """Lower end; None where nothing says how uncertain it is."""
    high: float | None
    """Upper end."""
    n: int
    """Values averaged."""
    method: str
    """What the interval is over."""


def mean_over(values: Sequence[float], errors: Sequence[float | None], unit: str) -> Estimate:
    """Average, with Student's t interval over two or more values, else the value's own error.

    The t interval is over what is repeated (`unit`); the questions are the same each time, so
    that their choice is not in it. A single value has the normal interval of its standard error
    over questions.

    Args:
        values: at least one.
        errors: standard error of each over questions, where there is one.
        unit: what is repeated, in the plural: "seeds".
    """
    n = len(values)
    mean = math.fsum(values) / n
    if n >= 2:
        spread = float(np.std(values, ddof=1)) / math.sqrt(n)
        half = float(special.stdtrit(n - 1, 0.5 + LEVEL / 2)) * spread
        return Estimate(
            value=mean, low=mean - half, high=mean + half, n=n, method=f"t interval over {n} {unit}"
        )
    error = errors[0]
    if error is None or math.isnan(error):
        return Estimate(value=mean, low=None, high=None, n=1, method="no interval: one value")
    half = float(special.ndtri(0.5 + LEVEL / 2)) * error
    return Estimate(
        value=mean,
        low=mean - half,
        high=mean + half,
        n=1,
        method="standard error over questions, one run",
    )


def share_of(successes: int, trials: int, unit: str) -> Estimate:
    """Return a share with Wilson's score interval.

    Source: Wilson 1927, doi:10.1080/01621459.1927.10502953.
    """
    z = float(special.ndtri(0.5 + LEVEL / 2))
    share = successes / trials
    spread = 1 + z**2 / trials
    centre = (share + z**2 / (2 * trials)) / spread
    half = z * math.sqrt(share * (1 - share) / trials + z**2 / (4 * trials**2)) / spread
    return Estimate(
        value=share,
        low=max(0.0, centre - half),
        high=min(1.0, centre + half),
        n=trials,
        method=f"Wilson interval over {trials} {unit}",
    )
