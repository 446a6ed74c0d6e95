"""The infinitesimal jackknife: a standard error from how a value depends on each case. Pure.

Efron 1982, The Jackknife, the Bootstrap and Other Resampling Plans, chapter 6.
"""

import math

import numpy as np
from numpy.typing import ArrayLike


def jackknife_error(slopes: ArrayLike) -> float | None:
    """Return the standard error of a value of n cases, sqrt(n / (n - 1) sum of squared slopes).

    With that factor the error of a mean is the usual one. None for one case, or slopes that are no
    numbers.

    Args:
        slopes: derivatives of the value with respect to the weight of each case, (n,); 0 in sum.
    """
    values = np.asarray(slopes, dtype=np.float64)
    n = len(values)
    if n < 2 or not np.isfinite(values).all():
        return None
    return math.sqrt(n / (n - 1) * float(np.square(values).sum()))
