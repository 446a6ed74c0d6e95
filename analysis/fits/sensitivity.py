"""How far a fit hangs on a choice: the width of the loss, or a single point. Pure."""

from dataclasses import dataclass, replace

import numpy as np

from analysis.fits.bootstrap import leave_out_weights
from analysis.fits.engine import find_optimum, fit
from analysis.fits.estimator import HUBER, LEAST_ABSOLUTE, LEAST_SQUARES, Estimator
from analysis.fits.points import Points
from analysis.fits.problem import Problem
from analysis.fits.refit import refit
from analysis.laws.law import Law
from orchestrator.errors import FitError

DELTAS = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2)
"""Widths of the Huber loss that are compared, between least absolute deviations and squares."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Influence:
    """What a fit becomes without one point, or one cluster."""

    label: str
    """Whose."""
    changes: tuple[float, ...]
    """New value over the old one, less 1, of each parameter; infinite where the old one is 0."""

    @property
    def largest(self) -> float:
        """The largest change by size."""
        return max(abs(change) for change in self.changes)


def by_estimator(law: Law, points: Points) -> dict[str, dict[str, float]]:
    """Return the parameters by every width of the loss, least first, under the estimator's name.

    Raises:
        FitError: if one of the fits is refused.
    """
    widths = [replace(HUBER, delta=delta) for delta in DELTAS]
    made = [
        fit(law, points, np.random.default_rng(0), estimator=estimator)
        for estimator in (LEAST_ABSOLUTE, *widths, LEAST_SQUARES)
    ]
    return {item.estimator.name: item.values for item in made}


def influences(law: Law, points: Points, estimator: Estimator = HUBER) -> tuple[Influence, ...]:
    """Leave each point (or cluster) out in turn; the most influential first.

    Raises:
        FitError: if the law cannot be fitted, or is not determined without one of them.
    """
    problem = Problem(law, points, estimator)
    optima = find_optimum(problem, points).theta
    best = problem.natural(optima[:1])[0]
    weights = leave_out_weights(points)
    left_out = refit(problem, optima, weights)
    if len(left_out) < len(weights):
        raise FitError(
            f"{len(weights) - len(left_out)} of {len(weights)} fits without one did not converge",
            f"{law.name} over {len(points)} points",
            "measure more sizes or seeds: a single one decides the fit",
        )
    labels = points.labels if points.clusters is None else sorted(set(points.clusters))
    with np.errstate(divide="ignore"):
        changes = np.where(best > 0, problem.natural(left_out) / best - 1, np.inf)
    found = [
        Influence(label=label, changes=tuple(row.tolist()))
        for label, row in zip(labels, changes, strict=True)
    ]
    return tuple(sorted(found, key=lambda item: -item.largest))
