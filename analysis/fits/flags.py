"""What makes a fit doubtful, read from its points, optimum and replicates. Pure."""

from itertools import combinations

import numpy as np

from analysis.fits.bootstrap import Replicates
from analysis.fits.points import Points
from analysis.fits.record import Certificate, Flag, Warn
from analysis.laws.law import Array, Law

POINTS_PER_PARAMETER = 2
"""Fewer points for each parameter are flagged: our threshold."""
NEGLIGIBLE_OFFSET = 1e-3
"""E below this share of the lowest observation is flagged: our threshold."""
LARGEST_CONDITION = 1e4
"""A larger condition number is flagged: rounding of a few digits in the data then decides."""
CLOSE_OPTIMUM = 0.05
"""Another optimum within this share of the objective is flagged: our threshold."""
NARROWEST_RAY = 0.02
"""Spread across the line on which two inputs lie, in log units over their own spread, below which
they are flagged: our threshold."""
FAILED_SHARE = 0.05
"""A larger share of replicates that failed, or ended at a bound, is flagged: it bends a 90 %
interval."""
FEWEST_CLUSTERS = 8
"""Fewer clusters are flagged: percentile intervals of so few are too narrow."""


def flags(
    law: Law,
    points: Points,
    parameters: Array,
    certificate: Certificate,
    made: Replicates | None,
) -> tuple[Flag, ...]:
    """Return every doubt about a fit.

    Args:
        law: what was fitted.
        points: to what.
        parameters: the optimum, (M,).
        certificate: how it was reached.
        made: the bootstrap's replicates, if there are any.
    """
    values = dict(zip(law.parameters, parameters.tolist(), strict=True))
    return (
        *_of_points(law, points),
        *_of_values(law, values, points),
        *_of_optimum(certificate),
        *_of_replicates(points, made),
        *_of_bounds(law, values, made),
    )


def _of_points(law: Law, points: Points) -> list[Flag]:
    found: list[Flag] = []
    if len(points) < POINTS_PER_PARAMETER * len(law.parameters):
        detail = f"{len(points)} points for {len(law.parameters)} parameters"
        found.append(Flag(kind=Warn.FEW_POINTS, detail=detail))
    for name, column in zip(law.inputs, points.inputs.T, strict=True):
        if len(np.unique(column)) == 1:
            detail = f"{name} is {column[0]:g} at every point"
            found.append(Flag(kind=Warn.ONE_SIZE, detail=detail))
    return [*found, *(Flag(kind=Warn.ONE_RAY, detail=ray) for ray in rays(law, points))]


def rays(law: Law, points: Points) -> list[str]:
    """Return, in words, pairs of inputs of which one is a power of the other at every point."""
    found: list[str] = []
    if points.inputs.min() <= 0:
        return []  # a law of shares or epochs, which is no power of them
    logs = np.log(points.inputs)
    for one, other in combinations(range(len(law.inputs)), 2):
        spread = logs[:, [one, other]] - logs[:, [one, other]].mean(axis=0)
        own = spread.std(axis=0)
        if own.min() == 0:
            continue
        across = np.linalg.svd(spread / own, compute_uv=False)[-1] / np.sqrt(len(points))
        if across < NARROWEST_RAY:
            found.append(f"{law.inputs[other]} follows from {law.inputs[one]} at every point")
    return found


def _of_values(law: Law, values: dict[str, float], points: Points) -> list[Flag]:
    found: list[Flag] = []
    for name in law.coefficients:
        if values[name] == 0:
            found.append(Flag(kind=Warn.AT_BOUND, detail=f"{name} is 0"))
    lowest = float(points.observed.min())
    if "E" in law.coefficients and values["E"] < NEGLIGIBLE_OFFSET * lowest:
        detail = f"E is {values['E']:.3g}, the lowest observation {lowest:.3g}"
        found.append(Flag(kind=Warn.NO_OFFSET, detail=detail))
    for name in law.exponents:
        if values[name] <= 0 and not law.may_rise:
            found.append(Flag(kind=Warn.WRONG_SIGN, detail=f"{name} is {values[name]:.3g}"))
    return found


def _of_optimum(certificate: Certificate) -> list[Flag]:
    found: list[Flag] = []
    if not certificate.condition < LARGEST_CONDITION:
        parts = " ".join(f"{part:+.2f} {name}" for name, part in certificate.direction)
        detail = f"condition number {certificate.condition:.2g}; all but free: {parts}"
        found.append(Flag(kind=Warn.ILL_CONDITIONED, detail=detail))
    for name in certificate.at_start:
        found.append(Flag(kind=Warn.AT_START, detail=f"{name} did not move from its start"))
    if certificate.gap is not None and certificate.gap < CLOSE_OPTIMUM:
        detail = f"another optimum lies {certificate.gap:.2%} above"
        found.append(Flag(kind=Warn.SEVERAL_OPTIMA, detail=detail))
    return found


def _of_replicates(points: Points, made: Replicates | None) -> list[Flag]:
    if made is None:
        return []
    found: list[Flag] = []
    asked = made.method.replicates + made.method.failed
    if made.method.failed > FAILED_SHARE * asked:
        detail = f"{made.method.failed} of {asked} resamples could not be fitted"
        found.append(Flag(kind=Warn.FEW_REPLICATES, detail=detail))
    if points.clusters is not None and len(set(points.clusters)) < FEWEST_CLUSTERS:
        detail = f"{len(set(points.clusters))} clusters"
        found.append(Flag(kind=Warn.FEW_CLUSTERS, detail=detail))
    return found


def _of_bounds(law: Law, values: dict[str, float], made: Replicates | None) -> list[Flag]:
    """Flag parameters that are within their bounds at the optimum and not in many replicates."""
    if made is None or not len(made.parameters):
        return []
    found: list[Flag] = []
    edges = {
        **{name: (0.0,) for name in law.coefficients if values[name] > 0},
        **dict.fromkeys(law.exponents, law.bounds),
    }
    for name, ends in edges.items():
        drawn = made.parameters[:, law.parameters.index(name)]
        for end in ends:
            count = int((drawn == end).sum())
            if count > FAILED_SHARE * len(drawn):
                detail = f"{name} is {end:g} in {count} of {len(drawn)} resamples"
                found.append(Flag(kind=Warn.AT_BOUND, detail=detail))
    return found
