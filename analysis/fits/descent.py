"""From starts to optima: through Huber losses of falling width to the estimator's own. Pure.

Shapes in comments: B descents, n points, M parameters.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from analysis.fits.estimator import Loss
from analysis.fits.newton import MOST_STEPS, TOLERANCE, Minima, minimise
from analysis.fits.problem import Expansion, Problem, joined
from analysis.laws.law import Array

_CHUNK_POINTS = 16_000
"""Points of all problems expanded at a time: their derivatives then stay in a core's cache."""


def descend(
    problem: Problem,
    starts: Array,
    weights: Array,
    observed: Array | None = None,
    *,
    is_near: bool = False,
    most_steps: int = MOST_STEPS,
    tolerance: float = TOLERANCE,
) -> Minima:
    """Minimise from each start.

    Args:
        problem: the law and its points.
        starts: (B, M).
        weights: how often each point counts, (B, n).
        observed: observations of each descent in the problem's units, (B, n); None for the points'
            own in all of them.
        is_near: whether the starts lie near their optima, so that the first, wider losses can be
            left out (but for least absolute deviations, whose own loss has no curvature).
        most_steps: of each loss, after which a descent counts as not converged.
        tolerance: share of the value below which what a step would take off does not matter.
    """
    theta = starts
    widths = problem.estimator.widths()
    if is_near and problem.estimator.loss is not Loss.ABSOLUTE:
        widths = widths[-1:]
    minima: Minima | None = None
    for width in widths:

        def expand(theta: Array, rows: NDArray[np.int64], width: float = width) -> Expansion:
            is_shared = observed is None and bool((theta == theta[0]).all())
            if is_shared and len(theta) > len(problem.observed):
                return problem.expand_shared(theta[0], weights[rows], width)
            return joined(
                [
                    problem.expand(
                        theta[part], weights[rows[part]], width, _of(observed, rows[part])
                    )
                    for part in _chunks(problem, len(theta))
                ]
            )

        minima = minimise(
            expand,
            theta.copy(),
            problem.lower,
            problem.upper,
            most_steps=most_steps,
            tolerance=tolerance,
        )
        theta = minima.theta
    assert minima is not None  # an estimator has at least one width
    if problem.estimator.loss is Loss.ABSOLUTE:
        at_vertex = [
            _to_vertex(problem, theta[part], weights[part], _of(observed, part))
            for part in _chunks(problem, len(theta))
        ]
        return replace(
            minima,
            theta=np.concatenate([theta for theta, _ in at_vertex]),
            value=np.concatenate([value for _, value in at_vertex]),
        )
    return minima


def _chunks(problem: Problem, count: int) -> list[slice]:
    size = max(1, _CHUNK_POINTS // len(problem.observed))
    return [slice(first, first + size) for first in range(0, count, size)]


def _of(observed: Array | None, rows: NDArray[np.int64] | slice) -> Array | None:
    return None if observed is None else observed[rows]


def _to_vertex(
    problem: Problem, theta: Array, weights: Array, observed: Array | None
) -> tuple[Array, Array]:
    """Step to where the law goes through its M nearest points, if the objective falls by it.

    Least absolute deviations have their optimum at such a vertex; a smoothed loss stops near it.

    Returns:
        Parameters (B, M), and the sum of absolute deviations there (B,).
    """
    residuals = problem.residuals(theta, observed)  # (B, n)
    size = theta.shape[1]
    far = np.where(weights > 0, np.abs(residuals), np.inf)
    nearest = np.argsort(far, axis=1)[:, :size]  # (B, M)
    jacobian = np.take_along_axis(problem.jacobian(theta), nearest[:, None, :], axis=2)
    left = np.take_along_axis(residuals, nearest, axis=1)
    step = -np.einsum("bkm,bk->bm", np.linalg.pinv(jacobian), left)
    trial = np.clip(theta + step, problem.lower, problem.upper)
    before = problem.estimator.objective(residuals, weights)
    after = problem.estimator.objective(problem.residuals(trial, observed), weights)
    return np.where((after < before)[:, None], trial, theta), np.minimum(after, before)
