"""Intervals of single parameters from the profile of the likelihood. Pure."""

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

from analysis.fits.engine import find_optimum
from analysis.fits.estimator import LEAST_SQUARES, Estimator, Loss
from analysis.fits.newton import minimise
from analysis.fits.points import Points
from analysis.fits.problem import Expansion, Problem
from analysis.fits.record import Value
from analysis.laws.law import Array, Law
from orchestrator.errors import ConfigError

_DOUBLINGS = 40
"""How often the step away from the optimum is doubled in search of an interval's end."""


def profile_interval(
    law: Law,
    points: Points,
    name: str,
    *,
    level: float = 0.9,
    estimator: Estimator = LEAST_SQUARES,
) -> Value:
    """Return a parameter with the values that normal noise of unknown size does not exclude.

    All other parameters are fitted anew at each value. A value is excluded where the squares rise
    over the least ones by more than F(1, n - M) / (n - M): Bates and Watts 1988, Nonlinear
    Regression Analysis, section 6.1.

    Args:
        law: what is fitted.
        points: n of them.
        name: of one of the law's parameters.
        level: coverage, in (0, 1).
        estimator: least squares, on either residual.

    Returns:
        The value and its ends; an end is None where the points exclude nothing on that side.

    Raises:
        ConfigError: if the law has no such parameter, or the estimator is not least squares.
        FitError: if the law cannot be fitted.
    """
    if estimator.loss is not Loss.SQUARES or name not in law.parameters:
        raise ConfigError(
            f"no profile of {name} by {estimator.name}",
            law.name,
            f"take least squares and one of: {', '.join(law.parameters)}",
        )
    centred = Problem(law, points, estimator)
    best = centred.natural(find_optimum(centred, points).theta[:1])[0]
    profile = _Profile(Problem(law, points, estimator, is_centred=False), best, name, level)
    low, high = profile.end(-1.0), profile.end(1.0)
    return Value(name=name, value=float(best[profile.index]), low=low, high=high)


class _Profile:
    """The least squares with one parameter held, from where the last search ended."""

    def __init__(self, problem: Problem, best: Array, name: str, level: float) -> None:
        self.problem = problem
        self.index = problem.law.parameters.index(name)
        scale = np.ones_like(best)
        scale[: problem.terms] = problem.unit
        self.best = best / scale
        self.scale = float(scale[self.index])
        free = len(problem.observed) - len(best)
        self.least = self._squares(self.best)
        self.allowed = self.least * (1 + float(stats.f.ppf(level, 1, free)) / free)

    def end(self, side: float) -> float | None:
        """Return where the profile crosses the allowed squares on one side, in the law's units."""
        centre = float(self.best[self.index])
        limits = (self.problem.lower[self.index], self.problem.upper[self.index])
        near, step = centre, 1e-3 * max(abs(centre), 1e-3)
        for _ in range(_DOUBLINGS):
            far = float(np.clip(centre + side * step, *limits))
            if self._excess(far) > 0:
                return self.scale * float(optimize.brentq(self._excess, near, far, rtol=1e-10))
            if far in limits:
                return None
            near, step = far, 2 * step
        return None

    def _excess(self, value: float) -> float:
        theta = self.best.copy()
        theta[self.index] = value
        lower, upper = self.problem.lower.copy(), self.problem.upper.copy()
        lower[self.index] = upper[self.index] = value
        weights = np.ones((1, len(self.problem.observed)))

        def expand(theta: Array, rows: NDArray[np.int64]) -> Expansion:
            return self.problem.expand(theta, weights[rows], np.inf)

        return float(minimise(expand, theta[None], lower, upper).value[0]) - self.allowed

    def _squares(self, theta: Array) -> float:
        weights = np.ones((1, len(self.problem.observed)))
        return float(self.problem.expand(theta[None], weights, np.inf).value[0])
