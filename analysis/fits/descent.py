"""From starts to optima: through Huber losses of falling width to the estimator's own. Pure.

Shapes in comments: B descents, n points, M parameters.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from analysis.fits.estimator import Loss
from analysis.fits.kinks import settle_on_kinks
from analysis.fits.newton import DEFAULT_STOP, Minima, Stop, minimise
from analysis.fits.problem import Expansion, Problem, joined
from analysis.laws.law import Array

_NEAR = 1e-2
"""Width of the first loss on the way from near an optimum to least absolute deviations."""
_CHUNK_POINTS = 16_000
"""Points of all problems expanded at a time: their derivatives then stay in a core's cache."""


def descend(
    problem: Problem,
    starts: Array,
    weights: Array,
    observed: Array | None = None,
    *,
    is_near: bool = False,
    stop: Stop = DEFAULT_STOP,
) -> Minima:
    """Minimise from each start.

    Args:
        problem: the law and its points.
        starts: (B, M).
        weights: how often each point counts, (B, n).
        observed: observations of each descent in the problem's units, (B, n); None for the points'
            own in all of them.
        is_near: whether the starts lie near their optima, so that the first, wider losses can be
            left out.
        stop: when to end with each loss.
    """
    theta = starts
    widths = problem.estimator.widths()
    if is_near:
        # The width of least absolute deviations has no curvature to begin with.
        is_absolute = problem.estimator.loss is Loss.ABSOLUTE
        widths = tuple(w for w in widths if w <= _NEAR) if is_absolute else widths[-1:]
    minima: Minima | None = None
    for width in widths:

        def expand(theta: Array, rows: NDArray[np.int64], width: float = width) -> Expansion:
            count = len(problem.observed)
            if len(theta) > 2 * count and observed is None and bool((theta == theta[0]).all()):
                # At one place the points' own objectives say those of all resamples.
                alone, at = np.eye(count), theta[:count]
                parts = _chunks(problem, count)
                ones = joined([problem.expand(at[part], alone[part], width) for part in parts])
                return ones.added_up(weights[rows])
            return joined(
                [
                    problem.expand(
                        theta[part], weights[rows[part]], width, _of(observed, rows[part])
                    )
                    for part in _chunks(problem, len(theta))
                ]
            )

        minima = minimise(expand, theta.copy(), problem.lower, problem.upper, stop=stop)
        theta = minima.theta
    assert minima is not None  # an estimator has at least one width
    if problem.estimator.loss is Loss.ABSOLUTE:
        settled = [
            settle_on_kinks(problem, theta[part], weights[part], _of(observed, part))
            for part in _chunks(problem, len(theta))
        ]
        return replace(
            minima,
            theta=np.concatenate([theta for theta, _ in settled]),
            value=np.concatenate([value for _, value in settled]),
        )
    return minima


def _chunks(problem: Problem, count: int) -> list[slice]:
    size = max(1, _CHUNK_POINTS // len(problem.observed))
    return [slice(first, first + size) for first in range(0, count, size)]


def _of(observed: Array | None, rows: NDArray[np.int64] | slice) -> Array | None:
    return None if observed is None else observed[rows]
