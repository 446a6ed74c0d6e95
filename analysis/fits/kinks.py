"""The last steps to the least sum of absolute deviations. Pure.

Shapes in comments: B descents, n points, M parameters.
"""

import numpy as np
from numpy.typing import NDArray

from analysis.fits.estimator import LAD_WIDTH
from analysis.fits.problem import Problem
from analysis.laws.law import Array

_STEPS = 3
"""Newton steps; each squares what is left, which is about `LAD_WIDTH` at first."""
_FLAT = 1e-10
"""Singular values of the equations that are smaller, as a share of the largest, are directions in
which nothing changes, such as that of an exponent so steep that its term is gone; none is taken."""


def settle_on_kinks(
    problem: Problem, theta: Array, weights: Array, observed: Array | None
) -> tuple[Array, Array]:
    """Step from where the Huber loss of `LAD_WIDTH` is least to where absolute deviations are.

    There the law goes through some of its points exactly, as many as it has parameters or fewer,
    and along what these leave free the other points' deviations are least. Both together are one
    system of equations; its steps are taken where the sum falls by them. Where more points than
    parameters lie within that width, which of them are met is not known, and a share of about 1e-9
    of the sum may be left.

    Args:
        problem: the law and its points.
        theta: optima of that loss, (B, M).
        weights: how often each point counts, (B, n).
        observed: observations of each descent in the problem's units, (B, n); None for the points'
            own in all of them.

    Returns:
        Parameters (B, M), and the sums of absolute deviations there (B,).
    """
    residuals = problem.residuals(theta, observed)  # (B, n)
    value = problem.estimator.objective(residuals, weights)
    slopes = weights * np.clip(residuals / LAD_WIDTH, -1.0, 1.0)  # of that loss, (B, n)
    far = np.where(weights > 0, np.abs(residuals), np.inf)
    nearest = np.argsort(far, axis=1)[:, : theta.shape[1]]  # (B, M)
    is_met = np.take_along_axis(far, nearest, axis=1) <= LAD_WIDTH  # (B, M)
    for _ in range(_STEPS):
        step, pulls = _newton_step(problem, theta, residuals, slopes, nearest, is_met)
        trial = np.clip(theta + step, problem.lower, problem.upper)
        there = problem.residuals(trial, observed)
        after = problem.estimator.objective(there, weights)
        is_lower = after < value
        theta = np.where(is_lower[:, None], trial, theta)
        residuals = np.where(is_lower[:, None], there, residuals)
        value = np.where(is_lower, after, value)
        pulls = np.where(is_met, pulls, np.take_along_axis(slopes, nearest, axis=1))
        np.put_along_axis(slopes, nearest, pulls, axis=1)
    return theta, value


def _newton_step(
    problem: Problem,
    theta: Array,
    residuals: Array,
    slopes: Array,
    nearest: NDArray[np.int64],
    is_met: NDArray[np.bool_],
) -> tuple[Array, Array]:
    """Return the step (B, M), and the pull of each met point that holds the law there, (B, M).

    Args:
        problem: the law and its points.
        theta: parameters, (B, M).
        residuals: theirs, (B, n).
        slopes: what each residual pulls with, (B, n).
        nearest: the points that may be met, (B, M).
        is_met: which of these are, (B, M).
    """
    count, size = theta.shape
    jacobian = problem.jacobian(theta)  # (B, M, n)
    is_free = (theta > problem.lower) & (theta < problem.upper)
    others = slopes.copy()
    unmet = np.where(is_met, 0.0, np.take_along_axis(slopes, nearest, axis=1))
    np.put_along_axis(others, nearest, unmet, axis=1)
    ties = np.take_along_axis(jacobian, nearest[:, None, :], axis=2) * is_met[:, None, :]
    ties *= is_free[:, :, None]  # (B, M parameters, M points)
    both = is_free[:, :, None] & is_free[:, None, :]
    system = np.zeros((count, 2 * size, 2 * size))
    system[:, :size, :size] = np.where(both, problem.bends(theta, slopes), np.eye(size))
    system[:, :size, size:] = ties
    system[:, size:, :size] = ties.transpose(0, 2, 1)
    system[:, size:, size:] = np.eye(size) * ~is_met[:, None, :]
    right = np.concatenate(
        [
            -np.matmul(jacobian, others[:, :, None])[:, :, 0] * is_free,
            -np.take_along_axis(residuals, nearest, axis=1) * is_met,
        ],
        axis=1,
    )
    solution = np.matmul(np.linalg.pinv(system, rcond=_FLAT), right[:, :, None])[:, :, 0]
    return solution[:, :size], solution[:, size:]
