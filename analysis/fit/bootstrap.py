"""Refit resampled points, all replicates at once. Randomness comes in as a generator."""

from dataclasses import dataclass

import numpy as np

from analysis.fit.descent import descend
from analysis.fit.points import Points
from analysis.fit.problem import Problem
from analysis.fit.record import IntervalMethod
from analysis.laws.law import Array
from orchestrator.spec.checks import check_at_least, check_share


@dataclass(frozen=True, slots=True, kw_only=True)
class Bootstrap:
    """How to make intervals.

    Raises:
        ConfigError: if a value lies outside the range stated below.
    """

    replicates: int = 1000
    """Resamples. At least 100."""
    level: float = 0.9
    """Coverage of the percentile intervals, in [0, 1]."""

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


def bootstrap(
    problem: Problem,
    points: Points,
    optima: Array,
    how: Bootstrap,
    rng: np.random.Generator,
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
    """
    weights = resample_weights(points, how.replicates, rng)  # (R, n)
    enough = (weights > 0).sum(axis=1) >= optima.shape[1]
    fitted = weights[enough]
    starts = np.repeat(optima, len(fitted), axis=0)  # (optima * R, M)
    minima = descend(problem, starts, np.tile(fitted, (len(optima), 1)))
    value = np.where(minima.converged, minima.value, np.inf).reshape(len(optima), len(fitted))
    best = value.argmin(axis=0)
    good = np.isfinite(value.min(axis=0))
    theta = minima.theta.reshape(len(optima), len(fitted), -1)
    chosen = theta[best, np.arange(len(fitted))][good]
    return Replicates(
        parameters=problem.natural(chosen),
        method=IntervalMethod(
            method=_words(points),
            level=how.level,
            replicates=len(chosen),
            failed=how.replicates - len(chosen),
        ),
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


def _words(points: Points) -> str:
    if points.clusters is None:
        return f"percentile bootstrap of {len(points)} points"
    clusters = len(set(points.clusters))
    return f"percentile bootstrap of {clusters} clusters of {len(points)} points"
