"""Fit a law to points: many starts, a certified optimum, intervals, flags; or refuse."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from analysis.fits.bootstrap import Bootstrap, Replicates, bootstrap
from analysis.fits.descent import descend
from analysis.fits.estimator import HUBER, Estimator, Loss
from analysis.fits.flags import flags, rays
from analysis.fits.newton import LATE_STEPS, Minima, Stop
from analysis.fits.points import Points
from analysis.fits.problem import Problem
from analysis.fits.record import Certificate, Fit, Residuals, Value
from analysis.fits.screen import screened_starts
from analysis.laws.law import Array, Law
from orchestrator.errors import FitError

STARTS = 8
"""Starts that are refined, after screening the grid of exponents."""
SAME_OPTIMUM = 1e-6
"""Objectives that differ by less than this share are one optimum."""

SEARCHED_POINTS = 600
"""With more points, optima are searched for among so many of them."""

_FEW_POINTS = 100
"""Up to so many points descents go past the wider losses as well, where an outlier among few points
leads them elsewhere."""

RIVAL = 1.5
"""Local optima up to this multiple of the best objective are tried again in each resample."""

_SMALL_PART = 0.1
"""Parts of a direction below this are not named."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Optimum:
    """The best of several descents."""

    theta: Array
    """Different local optima in the problem's units, best first, (optima, M)."""
    certificate: Certificate
    """Why to believe the first."""


def fit(
    law: Law,
    points: Points,
    rng: np.random.Generator,
    *,
    estimator: Estimator = HUBER,
    intervals: Bootstrap | None = None,
    shifts: Array | None = None,
) -> Fit:
    """Fit a law, or refuse.

    Args:
        law: the functional form.
        points: what to fit it to.
        rng: makes the bootstrap's resamples; not drawn from without `intervals`.
        estimator: what to minimise.
        intervals: how to make intervals; None for none.
        shifts: what each replicate adds to the observations (see `bootstrap`); None for nothing.

    Raises:
        FitError: with fewer points than parameters + 1, if the lowest descent did not come to rest,
            or if an exponent ran to the edge of its range.
    """
    _check_count(law, points)
    _check_values(law, points)
    problem = Problem(law, points, estimator)
    optimum = find_optimum(problem, points)
    made = None
    if intervals is not None:
        made = bootstrap(problem, points, optimum.theta, intervals, rng, shifts)
        _check_replicates(law, made, intervals)
    parameters = problem.natural(optimum.theta[:1])[0]  # (M,)
    none = np.empty((0, len(parameters)))
    bare = Fit(
        law=law,
        estimator=estimator,
        parameters=_values(dict(zip(law.parameters, parameters, strict=True))),
        derived=_values(law.derived(parameters)),
        interval=None if made is None else made.method,
        used=points.labels,
        dropped=points.dropped,
        certificate=optimum.certificate,
        residuals=_summary(problem.residuals(optimum.theta[:1])[0], points),
        flags=flags(law, points, parameters, optimum.certificate, made),
        fitted_range=tuple(
            (float(column.min()), float(column.max())) for column in points.inputs.T
        ),
        replicates=none if made is None else made.parameters,
        jackknife=none if made is None else made.jackknife,
    )
    return bare if made is None else _with_intervals(bare)


def _with_intervals(bare: Fit) -> Fit:
    parameters = [
        bare.quantity(name, lambda theta, i=i: theta[..., i])
        for i, name in enumerate(bare.law.parameters)
    ]
    derived = [
        bare.quantity(item.name, lambda theta, name=item.name: bare.law.derived(theta)[name])
        for item in bare.derived
    ]
    return replace(bare, parameters=tuple(parameters), derived=tuple(derived))


def find_optimum(problem: Problem, points: Points) -> Optimum:
    """Refine the best screened starts and certify the best of them.

    Raises:
        FitError: if the lowest descent did not come to rest, or if an exponent ran to the edge of
            its range.
    """
    starts, searched = _starts(problem, points)
    minima = _descend(problem, starts)
    if problem.estimator.loss is not Loss.SQUARES and len(points) <= _FEW_POINTS:
        minima = minima.and_those_of(_descend(problem, starts, is_near=True))
        searched += len(starts)
        starts = np.tile(starts, (2, 1))
    minima = _gone_on(problem, minima)
    if not minima.converged.any() or _falling(minima).any():
        raise FitError(
            f"no fit of the {problem.law.name} converged from {len(starts)} starts: the lowest "
            "still falls",
            where=f"{len(points)} points",
            mend="look at the points for an outlier, or fit a law with fewer parameters",
        )
    order = np.argsort(np.where(minima.converged, minima.value, np.inf))
    order = order[: int(minima.converged.sum())]
    theta, value = minima.theta[order], minima.value[order]
    _check_interior(problem, points, theta[0])
    # The absolute part makes exact fits, whose objectives are all rounding, one optimum.
    is_same = value <= value[0] * (1 + SAME_OPTIMUM) + 1e-20
    different = _different(value)
    gap = None if is_same.all() else float(value[~is_same][0] / max(value[0], 1e-300) - 1)
    condition, direction = _condition(problem, theta[0])
    return Optimum(
        theta=theta[different],
        certificate=Certificate(
            objective=_objective(problem, theta[:1]),
            converged=True,
            starts=searched,
            agreeing=searched - len(starts) + int(is_same.sum()),
            gap=gap,
            gradient_norm=float(minima.gradient[order[0]]),
            decrement=float(minima.decrement[order[0]]),
            condition=condition,
            direction=direction,
            at_start=_at_start(problem, starts[order[0]], theta[0]),
        ),
    )


def _descend(problem: Problem, starts: Array, *, is_near: bool = False) -> Minima:
    return descend(problem, starts, np.ones((len(starts), len(problem.observed))), is_near=is_near)


def _falling(minima: Minima) -> NDArray[np.bool_]:
    """Return which descents are lower than any that came to rest, and not yet at rest."""
    best = np.where(minima.converged, minima.value, np.inf).min()
    return ~minima.converged & (minima.value < best * (1 - SAME_OPTIMUM) - 1e-20)


def _gone_on(problem: Problem, minima: Minima) -> Minima:
    """Give descents that are lower than any at rest the steps that they need."""
    falling = _falling(minima)
    if not falling.any():
        return minima
    starts = minima.theta[falling]
    weights = np.ones((len(starts), len(problem.observed)))
    late = Stop(most_steps=LATE_STEPS)
    return minima.replaced(falling, descend(problem, starts, weights, is_near=True, stop=late))


def _starts(problem: Problem, points: Points) -> tuple[Array, int]:
    """Return starts, and how many were searched for them.

    Of many points a part is searched first, with all starts; what differs among its optima is then
    refined on all of them.
    """
    part = points.thinned(SEARCHED_POINTS)
    if len(part) == len(points):
        starts = screened_starts(problem, STARTS)
        return starts, len(starts)
    smaller = Problem(problem.law, part, problem.estimator)
    starts = screened_starts(smaller, STARTS)
    minima = _descend(smaller, starts)
    order = np.argsort(np.where(minima.converged, minima.value, np.inf))
    found = minima.theta[order[_different(minima.value[order])]]
    return problem.scaled(smaller.natural(found)), len(starts)


def _different(values: Array) -> list[int]:
    """Return the first of each group of equal objectives near the best; at most three."""
    kept = [0]
    for i, value in enumerate(values):
        is_new = value > values[kept[-1]] * (1 + SAME_OPTIMUM) + 1e-20
        if is_new and value < values[0] * RIVAL:
            kept.append(i)
    return kept[:3]


def _objective(problem: Problem, theta: Array) -> float:
    residuals = problem.residuals(theta)
    return float(problem.estimator.objective(residuals, np.ones_like(residuals))[0])


def _condition(problem: Problem, theta: Array) -> tuple[float, tuple[tuple[str, float], ...]]:
    """Return the condition over the parameters that are not at a bound, and the weakest direction.

    A parameter without any effect is that direction by itself.
    """
    free = (theta > problem.lower) & (theta < problem.upper)
    names = [name for name, is_free in zip(problem.law.parameters, free, strict=True) if is_free]
    jacobian = problem.jacobian(theta[None])[0][free].T  # (n, free)
    length = np.linalg.norm(jacobian, axis=0)
    if not (length > 0).all():
        return float("inf"), tuple(
            (name, 1.0) for name, own in zip(names, length, strict=True) if own == 0
        )
    _, sizes, directions = np.linalg.svd(jacobian / length, full_matrices=False)
    weakest: Array = directions[-1] * np.sign(directions[-1][np.abs(directions[-1]).argmax()])
    order = np.argsort(-np.abs(weakest))
    parts = tuple(
        (names[int(i)], float(weakest[int(i)]))
        for i in order.tolist()
        if abs(weakest[int(i)]) > _SMALL_PART
    )
    condition = float(sizes[0] / sizes[-1]) if sizes[-1] > 0 else float("inf")
    return condition, parts


def _at_start(problem: Problem, start: Array, theta: Array) -> tuple[str, ...]:
    """Return exponents that ended where they began, to the last bit but one."""
    first, last = start[problem.terms :], theta[problem.terms :]
    stayed = np.abs(last - first) <= 1e-12 * np.abs(first)
    return tuple(
        name for name, is_same in zip(problem.law.exponents, stayed, strict=True) if is_same
    )


def _check_count(law: Law, points: Points) -> None:
    needed = len(law.parameters) + 1
    if len(points) < needed:
        raise FitError(
            f"{len(points)} points for the {len(law.parameters)} parameters of the {law.name}",
            where=f"{len(points.dropped)} further points were left out",
            mend=f"measure at least {needed} points, or fit a law with fewer parameters",
        )


def _check_values(law: Law, points: Points) -> None:
    if float(np.ptp(points.observed)) == 0:
        raise FitError(
            f"all {len(points)} observations are {points.observed[0]:g}",
            where=f"points of the {law.name}",
            mend="look at where they come from: nothing that is measured is constant",
        )
    with np.errstate(divide="ignore"):
        finite = np.isfinite(law.features(points.inputs)).all(axis=(1, 2))
    if not finite.all():
        label = points.labels[int((~finite).argmax())]
        raise FitError(
            f"an input is 0, of which the {law.name} takes the logarithm",
            where=f"{label} and {int((~finite).sum()) - 1} further points",
            mend="leave such points out, or fit a law that allows them",
        )


def _check_interior(problem: Problem, points: Points, theta: Array) -> None:
    low, high = problem.law.bounds
    for name, value in zip(problem.law.exponents, theta[problem.terms :], strict=True):
        if not low + 1e-6 < value < high - 1e-6:
            place = f"{problem.law.name} over {len(points)} points"
            raise FitError(
                f"{name} ran to {value:g}, the edge of its range [{low:g}, {high:g}]",
                where=": ".join([place, *rays(problem.law, points)]),
                mend="the points do not determine it: measure over a wider range of scales",
            )


def _check_replicates(law: Law, made: Replicates, asked: Bootstrap) -> None:
    if made.method.replicates < asked.replicates / 2:
        raise FitError(
            f"{made.method.failed} of {asked.replicates} resamples determine no {law.name}",
            where=made.method.method,
            mend="measure more sizes or seeds: leaving a few points out changes everything",
        )


def _values(values: dict[str, Array]) -> tuple[Value, ...]:
    return tuple(Value(name=name, value=float(value)) for name, value in values.items())


def _summary(residuals: Array, points: Points) -> Residuals:
    worst = int(np.abs(residuals).argmax())
    return Residuals(
        rms=float(np.sqrt((residuals**2).mean())),
        median_absolute=float(np.median(np.abs(residuals))),
        largest=float(residuals[worst]),
        largest_label=points.labels[worst],
    )
