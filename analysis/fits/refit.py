"""Find the optimum of each of many resamples of one fit, all at once. Pure.

Shapes in comments: R resamples, n points, M parameters, S starts.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from analysis.fits.descent import descend
from analysis.fits.newton import FLOOR, LATE_STEPS, Minima, Stop
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
_HEIGHT = np.log(1e3)
"""Logarithm of how much a term's height, at its steepest, may differ between resamples that are
fitted together: our choice."""
_PARTS = 6
"""Parts, of low to high values of an exponent, in which the ends of all resamples are tried."""
_ROUNDS = 2
"""How often: the second time from better ends."""
_MOST_ENDS = 300
"""Ends that are tried."""
_MOST_POINTS = 600
"""With more points the optima of the full data lead to that of every resample."""
_STOP = Stop(tolerance=1e-11)
"""A resample may miss its optimum by a hundred times that share."""
_STOP_TRIAL = replace(_STOP, most_steps=100)
"""Of an end that is tried: most need a tenth, the others only drift along a flat valley."""
_STOP_LATE = replace(_STOP, most_steps=LATE_STEPS)
_SAME_VALUE = 1e-10
"""Objectives that differ by less than this share are one optimum."""


def refit(problem: Problem, optima: Array, weights: Array, observed: Array | None = None) -> Array:
    """Fit R resamples from every optimum of the full data and keep each one's best.

    A resample that does not converge from there starts from the grid's best exponents too. Few
    points may leave a resample a better optimum elsewhere: then, and wherever the grid leads one
    of a few resamples to a better one, each also starts from where others ended. What is on its way
    to a lower value than any optimum goes on, at last by itself, as if its points were all there
    are. An optimum may lie at a bound, such as E = 0 or an exponent so steep that its term is that
    of the least scale alone.

    Args:
        problem: the fit to repeat.
        optima: where to start, (optima, M).
        weights: how often each point counts, (R, n).
        observed: observations in the problem's units, (R, n); None for the points' own.

    Returns:
        Parameters in the problem's units of those that could be fitted, (at most R, M).
    """
    count = optima.shape[1]
    rows = np.flatnonzero((weights > 0).sum(axis=1) >= count)
    theta = np.full((len(weights), count), np.nan)
    least = _least_scales(problem, weights[rows])
    ends = np.empty((0, count))
    for key in np.unique(least, axis=0):  # those that drew all least scales come first
        own = rows[(least == key).all(axis=1)]
        inner, weight, observation = problem, weights[own], _of(observed, own)
        if key.any():
            is_drawn = np.asarray((weight > 0).any(axis=0))
            inner = problem.subset(is_drawn)
            weight = weight[:, is_drawn]
            if observation is not None:
                observation = observation[:, is_drawn] * problem.unit / inner.unit
        starts = inner.scaled(problem.natural(optima))
        found = _Resamples(problem=inner, weights=weight, observed=observation)
        _search(found, starts, inner.scaled(problem.natural(ends)))
        is_known = np.isfinite(found.value)
        theta[own[is_known]] = problem.scaled(inner.natural(found.theta[is_known]))
        if not key.any():
            ends = found.theta[is_known][:_MOST_ENDS]
    return theta[np.isfinite(theta).all(axis=1)]


def _least_scales(problem: Problem, weights: Array) -> NDArray[np.int64]:
    """Return how far each resample's least scales lie above those of all points, (R, P * Q).

    A steep term's coefficient is its height at the least scale. A resample that did not draw that
    scale determines the height at its own least one, from which the coefficient is so far off that
    no descent finds it: such resamples are fitted in units of their own. Counted in steps by which
    the steepest term's height changes by `_HEIGHT`.
    """
    features = problem.features.reshape(len(problem.observed), -1)  # (n, P * Q)
    is_drawn = weights > 0
    least = np.zeros((len(weights), features.shape[1]))
    for place, values in enumerate(features.T):
        if np.ptp(values):
            order = np.argsort(values)
            first = is_drawn[:, order].argmax(axis=1)
            least[:, place] = values[order][first] - values[order[0]]
    return np.asarray(least * problem.law.bounds[1] // _HEIGHT, dtype=np.int64)


def _search(found: "_Resamples", optima: Array, others: Array) -> None:
    """Find optima from those of the full data, and from the ends of other resamples."""
    every = np.arange(len(found.weights))
    found.descend_from(optima, every, is_near=True)
    points = found.weights.shape[1]
    if points <= _MOST_POINTS:
        starts = screened_starts(found.problem, _STARTS)
        found.descend_from(starts, every[~np.isfinite(found.value)], is_near=False)
        is_cheap = len(every) * points <= _CHEAP_VALUES
        if is_cheap or found.descend_from(starts, every[:_CHECKED], is_near=False):
            found.exchange(others)
    found.finish()


def _of(observed: Array | None, rows: NDArray[np.int64]) -> Array | None:
    return None if observed is None else observed[rows]


class _Resamples:
    """The best optimum found so far of each of R resamples."""

    def __init__(self, *, problem: Problem, weights: Array, observed: Array | None) -> None:
        self.problem = problem
        self.weights = weights  # (R, n)
        self.observed = observed
        self.theta = np.zeros((len(weights), len(problem.lower)))  # (R, M)
        self.value = np.full(len(weights), np.inf)  # infinite where nothing converged
        self.at = np.zeros_like(self.theta)  # where a descent was lowest without coming to rest
        self.seen = np.full(len(weights), np.inf)  # the value there

    def exchange(self, others: Array) -> None:
        """Try for each resample where others ended: the best end of each part of an exponent.

        Args:
            others: further ends, (E, M).
        """
        every = np.arange(len(self.theta))
        for _ in range(_ROUNDS):
            ends = np.concatenate([self.theta[np.isfinite(self.value)][:_MOST_ENDS], others])
            if len(ends) < _PARTS:
                return
            values = self._values(ends)  # (E, R)
            starts: list[Array] = []
            for exponent in ends[:, self.problem.terms :].T:
                order = np.argsort(exponent, kind="stable")
                for part in np.array_split(order, _PARTS):
                    starts.append(ends[part[values[part].argmin(axis=0)]])  # (R, M)
            self._try(np.concatenate(starts), every, len(starts), is_near=True, stop=_STOP_TRIAL)

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

    def finish(self) -> None:
        """Fit those by themselves that nothing else brought to rest at the lowest value seen."""
        for row in np.flatnonzero(self.seen < self.value * (1 - _SAME_VALUE) - FLOOR)[:_MOST_ALONE]:
            self._fit_alone(int(row))

    def _fit_alone(self, row: int) -> None:
        """Fit one resample as if its points were all there are."""
        is_drawn = self.weights[row] > 0
        observed = None if self.observed is None else self.observed[row] * self.problem.unit
        own = self.problem.subset(is_drawn, observed)
        seen = own.scaled(self.problem.natural(self.at[row, None]))
        starts = np.concatenate([seen, screened_starts(own, _STARTS)])
        alone = _Resamples(problem=own, weights=self.weights[row, None, is_drawn], observed=None)
        alone.descend_from(starts, np.array([0]), is_near=False)
        if np.isfinite(alone.value[0]):
            theta = self.problem.scaled(own.natural(alone.theta))
            if self._values(theta)[0, row] < self._values(self.theta[row, None])[0, row]:
                self.theta[row], self.value[row] = theta[0], alone.value[0]

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
        stop: Stop = _STOP,
    ) -> bool:
        """Descend for some resamples from `count` starts each, (count * rows, M)."""
        own = None if self.observed is None else np.tile(self.observed[rows], (count, 1))
        minima = descend(
            self.problem,
            starts,
            np.tile(self.weights[rows], (count, 1)),
            own,
            is_near=is_near,
            stop=stop,
        )
        is_better = self._keep(minima, rows)
        # Descents that are on their way to something lower still go on, as long as they need.
        value = np.where(minima.converged, np.inf, minima.value).reshape(count, len(rows))
        theta = minima.theta.reshape(count, len(rows), -1)
        chosen = value.argmin(axis=0)
        value, theta = value.min(axis=0), theta[chosen, np.arange(len(rows))]
        is_lower = self._is_lower(value, rows)
        if is_lower.any():
            rows = rows[is_lower]
            minima = descend(
                self.problem,
                theta[is_lower],
                self.weights[rows],
                _of(self.observed, rows),
                is_near=True,
                stop=_STOP_LATE,
            )
            is_better |= self._keep(minima, rows)
            value = np.where(minima.converged, np.inf, minima.value)
            is_left = self._is_lower(value, rows) & (value < self.seen[rows])
            self.at[rows[is_left]] = minima.theta[is_left]
            self.seen[rows[is_left]] = value[is_left]
        return is_better

    def _keep(self, minima: Minima, rows: NDArray[np.int64]) -> bool:
        """Keep each row's best optimum, of several descents each; return if any is a new one."""
        values = np.where(minima.converged, minima.value, np.inf).reshape(-1, len(rows))
        best = values.argmin(axis=0)
        value = values.min(axis=0)
        better = self._is_lower(value, rows)
        theta = minima.theta.reshape(len(values), len(rows), -1)[best, np.arange(len(rows))]
        self.theta[rows[better]] = theta[better]
        self.value[rows[better]] = value[better]
        return bool(better.any())

    def _is_lower(self, value: Array, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        known = self.value[rows]
        return np.isfinite(value) & ~(value >= known * (1 - _SAME_VALUE) - FLOOR)
