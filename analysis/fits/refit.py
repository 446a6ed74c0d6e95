"""Find the optimum of each of many resamples of one fit, all at once. Pure.

Shapes in comments: R resamples, n points, M parameters, S starts.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from analysis.fits.descent import descend
from analysis.fits.newton import FLOOR, MOST_STEPS
from analysis.fits.problem import Problem
from analysis.fits.screen import screened_starts
from analysis.laws.law import Array

_STARTS = 8
"""Screened starts from which a resample is searched for another optimum."""
_CHECKED = 16
"""Resamples that are searched where searching all of them would cost much."""
_CHEAP_VALUES = 50_000
"""Points times resamples up to which all are searched."""
_MOST_ALONE = 50
"""Resamples that are fitted one by one."""
_PARTS = 6
"""Parts, of low to high values of an exponent, in which the ends of all resamples are tried."""
_ROUNDS = 2
"""How often: the second time from better ends."""
_MOST_ENDS = 300
"""Ends that are tried."""
_EXCHANGE_STEPS = 100
"""Of each such trial, of which most need a tenth: the others only drift along a flat valley."""
_MOST_POINTS = 600
"""With more points the optima of the full data lead to that of every resample."""
_SAME_VALUE = 1e-10
"""Objectives that differ by less than this share are one optimum."""


def refit(problem: Problem, optima: Array, weights: Array, observed: Array | None = None) -> Array:
    """Fit R resamples from every optimum of the full data and keep each one's best.

    A resample that does not converge from there starts from the grid's best exponents too, and
    then by itself, as if its points were all there are. Few points may leave a resample a better
    optimum elsewhere: then, and wherever the grid leads one of a few resamples to a better one,
    each also starts from where others ended.

    Args:
        problem: the fit to repeat.
        optima: where to start, (optima, M).
        weights: how often each point counts, (R, n).
        observed: observations in the problem's units, (R, n); None for the points' own.

    Returns:
        Parameters in the problem's units of those that could be fitted, (at most R, M).
    """
    enough = (weights > 0).sum(axis=1) >= optima.shape[1]
    found = _Resamples(
        problem=problem,
        weights=weights[enough],
        observed=None if observed is None else observed[enough],
    )
    every = np.arange(len(found.weights))
    if not len(every):
        return np.empty((0, optima.shape[1]))
    found.descend_from(optima, every, is_near=True)
    points = weights.shape[1]
    if points <= _MOST_POINTS:
        starts = screened_starts(problem, _STARTS)
        found.descend_from(starts, every[~np.isfinite(found.value)], is_near=False)
        for row in np.flatnonzero(~np.isfinite(found.value))[:_MOST_ALONE]:
            found.fit_alone(int(row))
        is_cheap = len(every) * points <= _CHEAP_VALUES
        if is_cheap or found.descend_from(starts, every[:_CHECKED], is_near=False):
            found.exchange()
    return found.theta[np.isfinite(found.value)]


class _Resamples:
    """The best optimum found so far of each of R resamples."""

    def __init__(self, *, problem: Problem, weights: Array, observed: Array | None) -> None:
        self.problem = problem
        self.weights = weights  # (R, n)
        self.observed = observed
        self.theta = np.zeros((len(weights), len(problem.lower)))  # (R, M)
        self.value = np.full(len(weights), np.inf)  # infinite where nothing converged

    def fit_alone(self, row: int) -> None:
        """Fit one resample as if its points were all there are.

        Where it lacks the least scale, a term that falls steeply is badly scaled in the others'
        units: its coefficient grows without end.
        """
        is_drawn = self.weights[row] > 0
        points = self.problem.points.subset(is_drawn, "not drawn")
        if self.observed is not None:
            points = replace(points, observed=self.observed[row, is_drawn] * self.problem.unit)
        own = Problem(self.problem.law, points, self.problem.estimator)
        alone = _Resamples(problem=own, weights=self.weights[row, None, is_drawn], observed=None)
        alone.descend_from(screened_starts(own, _STARTS), np.array([0]), is_near=False)
        if np.isfinite(alone.value[0]):
            self.theta[row] = self.problem.scaled(own.natural(alone.theta))[0]
            self.value[row] = alone.value[0]

    def exchange(self) -> None:
        """Try for each resample where others ended: the best end of each part of an exponent."""
        every = np.arange(len(self.theta))
        for _ in range(_ROUNDS):
            ends = self.theta[np.isfinite(self.value)][:_MOST_ENDS]  # (E, M)
            if len(ends) < _PARTS:
                return
            values = self._values(ends)  # (E, R)
            starts: list[Array] = []
            for exponent in ends[:, self.problem.terms :].T:
                order = np.argsort(exponent, kind="stable")
                for part in np.array_split(order, _PARTS):
                    starts.append(ends[part[values[part].argmin(axis=0)]])  # (R, M)
            self._try(
                np.concatenate(starts), every, len(starts), is_near=True, most_steps=_EXCHANGE_STEPS
            )

    def _values(self, ends: Array) -> Array:
        """Return the objective of each resample at each of some ends (E, M): (E, R)."""
        rho = self.problem.estimator.rho
        if self.observed is None:
            return rho(self.problem.residuals(ends)) @ self.weights.T
        count = len(self.observed)
        return np.stack(
            [
                self.problem.estimator.objective(
                    self.problem.residuals(end[None].repeat(count, axis=0), self.observed),
                    self.weights,
                )
                for end in ends
            ]
        )

    def descend_from(self, starts: Array, rows: NDArray[np.int64], *, is_near: bool) -> bool:
        """Descend from each start (S, M) for some of the resamples; return if any had a better."""
        if not len(rows):
            return False
        return self._try(np.repeat(starts, len(rows), axis=0), rows, len(starts), is_near=is_near)

    def _try(
        self,
        starts: Array,
        rows: NDArray[np.int64],
        count: int,
        *,
        is_near: bool,
        most_steps: int = MOST_STEPS,
    ) -> bool:
        """Descend for some resamples from `count` starts each, (count * rows, M)."""
        own = None if self.observed is None else np.tile(self.observed[rows], (count, 1))
        minima = descend(
            self.problem,
            starts,
            np.tile(self.weights[rows], (count, 1)),
            own,
            is_near=is_near,
            most_steps=most_steps,
        )
        values = np.where(minima.converged, minima.value, np.inf).reshape(count, len(rows))
        best = values.argmin(axis=0)
        value = values.min(axis=0)
        better = value < self.value[rows] * (1 - _SAME_VALUE) - FLOOR
        theta = minima.theta.reshape(count, len(rows), -1)[best, np.arange(len(rows))]
        self.theta[rows[better]] = theta[better]
        self.value[rows[better]] = value[better]
        return bool(better.any())
