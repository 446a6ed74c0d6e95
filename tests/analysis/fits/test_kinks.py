"""Least absolute deviations end exactly where they are least, against linear programs."""

from typing import Any

import numpy as np
from scipy import optimize

from analysis.fits.bootstrap import resample_weights
from analysis.fits.engine import find_optimum
from analysis.fits.estimator import LEAST_ABSOLUTE
from analysis.fits.points import Points
from analysis.fits.problem import Problem
from analysis.fits.refit import refit
from analysis.laws.chinchilla import CHINCHILLA

Floats = np.ndarray[Any, np.dtype[np.float64]]


def deviations(problem: Problem, theta: Floats, weights: Floats) -> float:
    return float(weights @ np.abs(problem.residuals(theta[None])[0]))


def by_linear_programs(problem: Problem, theta: Floats, weights: Floats) -> float:
    """Return the least sum that linear programs reach, each within a narrower or wider box."""
    best, box = deviations(problem, theta, weights), 1e-2
    drawn = weights > 0
    count, size = int(drawn.sum()), len(theta)
    while box > 1e-12:
        residuals = problem.residuals(theta[None])[0][drawn]
        slopes = problem.jacobian(theta[None])[0][:, drawn].T
        unit = np.median(np.abs(residuals))
        found = optimize.linprog(
            np.concatenate([np.zeros(size), weights[drawn]]),
            A_ub=np.block([[slopes / unit, -np.eye(count)], [-slopes / unit, -np.eye(count)]]),
            b_ub=np.concatenate([-residuals, residuals]) / unit,
            bounds=[(-box, box)] * size + [(0, None)] * count,
        )
        moved = theta if found.x is None else theta + found.x[:size]
        value = deviations(problem, moved, weights)
        if value < best * (1 - 1e-14):
            theta, best, box = moved, value, 2 * box
        else:
            box /= 4
    return best


def test_replicates_end_where_linear_programs_find_nothing_lower(
    chinchilla_points: Points,
) -> None:
    problem = Problem(CHINCHILLA, chinchilla_points, LEAST_ABSOLUTE)
    weights = resample_weights(chinchilla_points, 60, np.random.default_rng(1))
    made = refit(problem, find_optimum(problem, chinchilla_points).theta, weights)
    met = (np.abs(problem.residuals(made)) < 1e-13) & (weights > 0)
    counts = met.sum(axis=1)
    assert set(counts.tolist()) == {4, 5}, "some go through fewer points than parameters"
    for theta, weight in zip(made, weights, strict=True):
        own = deviations(problem, theta, weight)
        assert own <= by_linear_programs(problem, theta, weight) * (1 + 1e-12)
