"""Refit resampled points, all replicates at once. Randomness comes in as a generator."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from analysis.fits.estimator import Residual
from analysis.fits.interval import Ends
from analysis.fits.points import Points
from analysis.fits.problem import Problem
from analysis.fits.questions import share_of_scatter
from analysis.fits.record import IntervalMethod
from analysis.fits.refit import refit
from analysis.laws.law import Array
from orchestrator.errors import ConfigError
from orchestrator.spec.checks import check_at_least, check_share


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
