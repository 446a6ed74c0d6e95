"""Refit resampled points, all replicates at once. Randomness comes in as a generator."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from analysis.fits.descent import descend
from analysis.fits.estimator import Residual
from analysis.fits.interval import Ends
from analysis.fits.newton import FLOOR, MOST_STEPS
from analysis.fits.points import Points
from analysis.fits.problem import Problem
from analysis.fits.questions import share_of_scatter
from analysis.fits.record import IntervalMethod
from analysis.fits.screen import screened_starts
from analysis.laws.law import Array
from orchestrator.errors import ConfigError
from orchestrator.spec.checks import check_at_least, check_share

_STARTS = 8
"""Screened starts from which a resample is searched for another optimum."""
_CHECKED = 16
"""Resamples that are searched where searching all of them would cost much."""
_CHEAP_VALUES = 50_000
"""Points times resamples up to which all are searched."""
_EXCHANGED = ((1, 2), (3, 4))
"""How many places on the resamples are whose ends are tried for each one, in two rounds."""
_EXCHANGE_STEPS = 100
"""Of each such trial, of which most need a tenth: the others only drift along a flat valley."""
_MOST_POINTS = 600
"""With more points the optima of the full data lead to that of every resample."""
_SAME_VALUE = 1e-10
"""Objectives that differ by less than this share are one optimum."""


class Resample(StrEnum):
    """What is drawn anew in a replicate."""

    PAIRS = "pairs"
    """Whole points, or whole clusters of points: asks nothing of the noise."""
    RESIDUALS = "residuals"
    """Residuals, put back on the fitted curve: keeps the design, asks for equal noise everywhere.
    With clusters, the residuals of each keep their size and change sign together (wild bootstrap,
    Cameron, Gelbach and Miller 2008, doi:10.1162/rest.90.3.414)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bootstrap:
    """How to make intervals.

    Raises:
        ConfigError: if a value lies outside the range stated below.
    """

    replicates: int = 1000
    """Resamples. At least 100."""
    level: float = 0.9
    """Coverage of the intervals, in [0, 1]."""
    resample: Resample = Resample.PAIRS
    """What is drawn anew."""
    ends: Ends = Ends.PERCENTILE
    """How an interval is read from the replicates."""

    def __post_init__(self) -> None:
        check_at_least("replicates", self.replicates, 100)
        check_share("level", self.level)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Replicates:
    """Fitted resamples."""

    parameters: Array
    """In the law's units, (replicates that could be fitted, M)."""
    method: IntervalMethod
    """How they were made."""
    jackknife: Array
    """Fits without each point or cluster in turn, (left out, M); empty unless BCa asks for it."""


def bootstrap(
    problem: Problem,
    points: Points,
    optima: Array,
    how: Bootstrap,
    rng: np.random.Generator,
    shifts: Array | None = None,
) -> Replicates:
    """Refit the law to resampled points (or clusters), from every optimum of the full data.

    A resample with fewer different points than parameters determines no fit and is counted as
    failed, as is one that does not converge.

    Args:
        problem: the fit to repeat.
        points: its points.
        optima: different local optima in the problem's units, best first, (optima, M).
        how: replicates and level.
        rng: where the resamples come from.
        shifts: what each replicate adds to the observations, in their unit, (R, n), such as the
            noise of the questions behind them; None for nothing.

    Raises:
        ConfigError: if there are shifts, and not residuals are drawn.
    """
    if shifts is not None and how.resample is not Resample.RESIDUALS:
        raise ConfigError(
            f"observations cannot be shifted where {how.resample.value} are drawn",
            "resample",
            f"draw {Resample.RESIDUALS.value}: whole points bring their noise along",
        )
    observed: Array | None = None
    if how.resample is Resample.RESIDUALS:
        weights = np.ones((how.replicates, len(points)))
        observed = resample_observed(problem, points, optima[0], how.replicates, rng, shifts)
    else:
        weights = resample_weights(points, how.replicates, rng)  # (R, n)
    chosen = refit(problem, optima, weights, observed)
    left_out = np.empty((0, optima.shape[1]))
    if how.ends is Ends.BCA:
        left_out = refit(problem, optima, leave_out_weights(points))
    return Replicates(
        parameters=problem.natural(chosen),
        method=IntervalMethod(
            method=_words(points, how),
            level=how.level,
            replicates=len(chosen),
            failed=how.replicates - len(chosen),
            ends=how.ends,
            clustered_by=points.clustered_by,
            question_share=None
            if shifts is None
            else shift_share(problem, points, optima[0], shifts),
        ),
        jackknife=problem.natural(left_out),
    )


def refit(problem: Problem, optima: Array, weights: Array, observed: Array | None = None) -> Array:
    """Fit R resamples from every optimum of the full data and keep each one's best.

    A resample that does not converge from there starts from the grid's best exponents too. Few
    points may leave a resample a better optimum elsewhere: then, and wherever the grid leads one of
    a few resamples to a better one, each also starts from where some others ended.

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

    def exchange(self) -> None:
        """Try for each resample where others ended, twice: the second time from better ends."""
        every = np.arange(len(self.theta))
        for shifts in _EXCHANGED:
            known = np.isfinite(self.value)
            starts = [
                np.where(np.roll(known, by)[:, None], np.roll(self.theta, by, axis=0), self.theta)
                for by in shifts
            ]
            self._try(
                np.concatenate(starts), every, len(shifts), is_near=True, most_steps=_EXCHANGE_STEPS
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


def resample_weights(points: Points, replicates: int, rng: np.random.Generator) -> Array:
    """Return how often each point occurs in each resample, (replicates, n)."""
    keys = points.labels if points.clusters is None else points.clusters
    if points.clusters is None:
        n = len(keys)
        return rng.multinomial(n, np.full(n, 1 / n), size=replicates).astype(np.float64)
    _, member = np.unique(np.asarray(keys), return_inverse=True)  # (n,) cluster of each point
    count = int(member.max()) + 1
    drawn = rng.multinomial(count, np.full(count, 1 / count), size=replicates)
    return drawn[:, member].astype(np.float64)


def leave_out_weights(points: Points) -> Array:
    """Return the weights of resamples without one point, or one cluster, each: (left out, n)."""
    if points.clusters is None:
        return 1.0 - np.eye(len(points))
    _, member = np.unique(np.asarray(points.clusters), return_inverse=True)
    left_out = np.arange(int(member.max()) + 1)[:, None] == member  # (clusters, n)
    return 1.0 - left_out.astype(np.float64)


def resample_observed(
    problem: Problem,
    points: Points,
    theta: Array,
    replicates: int,
    rng: np.random.Generator,
    shifts: Array | None = None,
) -> Array:
    """Put resampled residuals on the fitted curve.

    Residuals are widened by sqrt(n / (n - M)), since a fit follows its own noise.

    Args:
        problem: the fit.
        points: its points.
        theta: its optimum in the problem's units, (M,).
        replicates: R, how many.
        rng: where the draws come from.
        shifts: added to the observations, in their unit, (R, n); residuals are then drawn without
            the part that the shifts make of them.

    Returns:
        Observations in the problem's units, (R, n).
    """
    n = len(points)
    predicted = problem.predicted(theta[None])[0]  # (n,)
    is_log = problem.estimator.residual is Residual.LOG
    noise = np.log(problem.observed / predicted) if is_log else problem.observed - predicted
    if shifts is not None:
        noise = noise * np.sqrt(1 - shift_share(problem, points, theta, shifts))
    noise = noise * np.sqrt(n / max(1, n - len(theta)))
    if points.clusters is None:
        drawn = rng.choice(noise - noise.mean(), size=(replicates, n))
    else:
        _, member = np.unique(np.asarray(points.clusters), return_inverse=True)
        signs = rng.choice([-1.0, 1.0], size=(replicates, int(member.max()) + 1))
        drawn = noise * signs[:, member]
    if shifts is not None:
        drawn = drawn + _in_residuals(problem, points, shifts)
    return predicted * np.exp(drawn) if is_log else predicted + drawn


def shift_share(problem: Problem, points: Points, theta: Array, shifts: Array) -> float:
    """Return the share of a fit's squared residuals that shifts alone would make, at most 1."""
    residuals = problem.residuals(theta[None])[0]
    if problem.estimator.residual is Residual.RAW:
        residuals = residuals / problem.unit
    moved = _in_residuals(problem, points, shifts)
    return share_of_scatter(moved, problem.jacobian(theta[None])[0].T, residuals)


def _in_residuals(problem: Problem, points: Points, shifts: Array) -> Array:
    """Return small changes of the observations as changes of the problem's residuals, (R, n)."""
    is_log = problem.estimator.residual is Residual.LOG
    return shifts / (points.observed if is_log else problem.unit)


def _words(points: Points, how: Bootstrap) -> str:
    kind = "" if how.resample is Resample.PAIRS else " residual"
    if points.clusters is None:
        return f"{how.ends.value}{kind} bootstrap of {len(points)} points"
    clusters = len(set(points.clusters))
    by = "" if points.clustered_by is None else f" by {points.clustered_by}"
    return f"{how.ends.value}{kind} bootstrap of {clusters} clusters{by} of {len(points)} points"
