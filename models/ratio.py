"""A ratio of two sums over a sample, with its standard error. Pure."""

import math

import numpy as np
from numpy.typing import ArrayLike


def ratio_of_sums(above: ArrayLike, below: ArrayLike) -> tuple[float, float | None]:
    """Return sum(above) / sum(below) over the units of a sample, and its standard error.

    Cochran 1977, Sampling Techniques, eq. 6.13, where the units are few of many; None for one unit.

    Args:
        above: of each unit, (n,).
        below: of each unit, (n,); their sum is not 0.
    """
    y, x = np.asarray(above, dtype=np.float64), np.asarray(below, dtype=np.float64)
    n, total = len(y), float(x.sum())
    ratio = float(y.sum()) / total
    spread = float(np.square(y - ratio * x).sum())
    return ratio, math.sqrt(n / (n - 1) * spread) / total if n > 1 else None
