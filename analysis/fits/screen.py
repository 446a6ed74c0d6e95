"""Starts for a fit: exponents on a grid, with the coefficients solved in closed form. Pure.

Shapes in comments: K grid points, n points, P terms, Q exponents.
"""

from itertools import combinations
from typing import cast

import numpy as np
from numpy.typing import NDArray

from analysis.fits.estimator import Residual
from analysis.fits.problem import Problem
from analysis.laws.law import Array

_GRID_STEPS = {1: 64, 2: 32}
"""Grid values for each exponent, by how many exponents there are; otherwise 8."""


_RISING_STEPS = 4
"""Grid values for negative exponents, so that a loss that rises with scale is found and flagged."""


def screened_starts(problem: Problem, most: int = 8) -> Array:
    """Return the best starts, best first, (at most `most`, M).

    For each grid point the coefficients minimise the squared residuals with none below 0 (variable
    projection, Golub and Pereyra 1973); the grid's local minima come first, the best of the rest
    fill up.
    """
    axes = [_axis(problem)] * len(problem.law.exponents)
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)  # (g, ..., g, Q)
    exponents = grid.reshape(-1, len(axes))  # (K, Q)
    coefficients, squares = _solve(problem, exponents)  # (K, P), (K,)
    rises = np.any(exponents < 0, axis=1)
    # With falling data a rising term gets no weight, which makes ties of dead ends on the grid.
    squares = np.where(rises & (squares >= squares[~rises].min()), np.inf, squares)
    shape = grid.shape[:-1]
    is_rest = ~_local_minima(squares.reshape(shape)).reshape(-1)
    order = np.lexsort((squares, is_rest))[: min(most, int(np.isfinite(squares).sum()))]
    return np.concatenate([coefficients[order], exponents[order]], axis=1)


def _axis(problem: Problem) -> Array:
    low, high = problem.law.search
    rising = -np.geomspace(low, high, _RISING_STEPS)
    falling = np.geomspace(low, high, _GRID_STEPS.get(len(problem.law.exponents), 8))
    return np.concatenate([rising[::-1], falling, [problem.law.bounds[1]]])


def _solve(problem: Problem, exponents: Array) -> tuple[Array, Array]:
    """Least squares with non-negative coefficients, by trying every set of terms."""
    rows = problem.basis(exponents)  # (K, P, n)
    target = problem.observed  # (n,)
    if problem.estimator.residual is Residual.LOG:  # log residuals are relative ones nearby
        rows, target = rows / target, np.ones_like(target)
    normal = rows @ rows.transpose(0, 2, 1)  # (K, P, P)
    right = rows @ target  # (K, P)
    best = np.full(len(exponents), np.inf)
    coefficients = np.zeros_like(right)
    for terms in _subsets(rows.shape[1]):
        part = normal[:, terms][:, :, terms]
        ridge = 1e-12 * np.einsum("kpp->k", part)[:, None, None] * np.eye(len(terms))
        values = _solved(part + ridge, right[:, terms])
        stretched = np.einsum("kpq,kq->kp", part, values)
        left = (values * (stretched - 2 * right[:, terms])).sum(axis=1)
        squares = np.maximum(left + target @ target, 0.0)
        better = np.all(values >= 0, axis=1) & (squares < best)
        best = np.where(better, squares, best)
        chosen = np.zeros_like(right)
        chosen[:, terms] = values
        coefficients = np.where(better[:, None], chosen, coefficients)
    return coefficients, best


def _solved(matrices: Array, right: Array) -> Array:
    """Solve (K, P, P) systems with right-hand sides (K, P)."""
    return cast(Array, np.linalg.solve(matrices, right[:, :, None]))[:, :, 0]


def _subsets(terms: int) -> list[list[int]]:
    return [list(some) for size in range(1, terms + 1) for some in combinations(range(terms), size)]


def _local_minima(values: Array) -> NDArray[np.bool_]:
    """Return where no neighbour along any axis is lower."""
    is_minimum: NDArray[np.bool_] = np.isfinite(values)
    for axis in range(values.ndim):
        pad = [(1, 1) if i == axis else (0, 0) for i in range(values.ndim)]
        padded = np.pad(values, pad, constant_values=np.inf)
        size = values.shape[axis]
        before = np.take(padded, range(size), axis=axis)
        after = np.take(padded, range(2, size + 2), axis=axis)
        is_minimum &= (values <= before) & (values <= after)
    return is_minimum
