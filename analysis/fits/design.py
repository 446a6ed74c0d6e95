"""Which further runs would narrow a quantity's interval most for the hours they take. Pure.

With a law, its parameters and the noise of one run, the variance of a quantity with gradient g is
sigma^2 g' M^-1 g, with M = J'J the information of the runs (the delta method). A c-optimal design
(Elfving 1952, doi:10.1214/aoms/1177729442) makes that least; here one run at a time is added, the
one that takes off most for each device hour.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import stats

from analysis.fits.estimator import LEAST_SQUARES
from analysis.fits.points import Points
from analysis.fits.problem import Problem
from analysis.fits.refit import refit
from analysis.laws.law import Array, Law
from orchestrator.errors import FitError

_STEP = 1e-6
"""Share by which a parameter is moved for a derivative."""

Quantity = Callable[[Array], Array]
"""Parameters (..., M) -> a quantity, (...)."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Candidates:
    """Runs that could be added."""

    inputs: Array
    """Of the law, (candidates, inputs)."""
    hours: Array
    """Device hours that each takes, (candidates,), above 0."""
    labels: tuple[str, ...]
    """What they are, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Addition:
    """One run to add."""

    label: str
    """Which."""
    hours: float
    """Device hours it takes."""
    half_width: float
    """Half the interval of the quantity once it and all runs before it are measured."""
    narrowing_per_hour: float
    """Share that it takes off the half width, for each device hour."""


def expected_half_width(
    law: Law, parameters: Array, inputs: Array, quantity: Quantity, *, noise: float, level: float
) -> float:
    """Return half the interval that runs at some inputs would give a quantity.

    Args:
        law: assumed.
        parameters: its assumed values, (M,).
        inputs: of the runs, (n, inputs of the law).
        quantity: whose interval is asked for.
        noise: standard deviation of the logarithm of one run's observation.
        level: coverage, in (0, 1).

    Raises:
        FitError: if the runs do not determine the law.
    """
    rows = _rows(law, parameters, inputs)
    covariance = np.asarray(np.linalg.inv(_information(law, rows)), dtype=np.float64)
    return _half_width(covariance, _gradient(parameters, quantity), noise, level)


def simulated_half_width(  # noqa: PLR0913  (the assumptions, and how often they are drawn)
    law: Law,
    parameters: Array,
    inputs: Array,
    quantity: Quantity,
    rng: np.random.Generator,
    *,
    noise: float,
    level: float,
    studies: int = 400,
) -> float:
    """Return half the width of a quantity's spread over simulated studies, each fitted anew.

    It is the check on `expected_half_width`, which takes the law as straight in its parameters.

    Args:
        law: assumed.
        parameters: its assumed values, (M,).
        inputs: of the runs, (n, inputs of the law).
        quantity: whose interval is asked for.
        rng: makes the noise.
        noise: standard deviation of the logarithm of one run's observation.
        level: coverage, in (0, 1).
        studies: how many are drawn.

    Raises:
        FitError: if more than a tenth of the studies allow no fit.
    """
    clean = law.predict(parameters, inputs)
    points = Points(inputs=inputs, observed=clean, labels=tuple(str(i) for i in range(len(inputs))))
    problem = Problem(law, points, LEAST_SQUARES)
    drawn = problem.observed * np.exp(noise * rng.standard_normal((studies, len(inputs))))
    theta = problem.scaled(parameters[None])
    found = problem.natural(refit(problem, theta, np.ones_like(drawn), drawn))
    if len(found) < 0.9 * studies:
        raise _undetermined(law, len(inputs))
    tail = (1 - level) / 2
    low, high = np.quantile(quantity(found), [tail, 1 - tail])
    return float(high - low) / 2


def additions(  # noqa: PLR0913  (what is known, what is asked for, and what could be run)
    law: Law,
    parameters: Array,
    inputs: Array,
    quantity: Quantity,
    candidates: Candidates,
    *,
    noise: float,
    level: float = 0.9,
    runs: int = 5,
) -> tuple[Addition, ...]:
    """Choose runs one after the other, each the best for its hours after those before it.

    Args:
        law: fitted.
        parameters: its values, (M,).
        inputs: of the runs there are, (n, inputs of the law).
        quantity: whose interval is to be narrowed.
        candidates: what could be run; each may be chosen more than once, with another seed.
        noise: standard deviation of the logarithm of one run's observation.
        level: coverage, in (0, 1).
        runs: how many to choose.

    Raises:
        FitError: if the runs there are do not determine the law.
    """
    information = _information(law, _rows(law, parameters, inputs))
    covariance = np.asarray(np.linalg.inv(information), dtype=np.float64)
    gradient = _gradient(parameters, quantity)
    rows = _rows(law, parameters, candidates.inputs)  # (candidates, M)
    chosen: list[Addition] = []
    for _ in range(runs):
        before = _half_width(covariance, gradient, noise, level)
        across = rows @ covariance  # (candidates, M)
        drop = (across @ gradient) ** 2 / (1 + (across * rows).sum(axis=1))  # Sherman-Morrison
        variance = float(gradient @ covariance @ gradient)
        narrowing = 1 - np.sqrt(np.maximum(1 - drop / variance, 0.0))
        best = int((narrowing / candidates.hours).argmax())
        row = rows[best]
        shift = covariance @ row
        covariance = covariance - shift[:, None] * shift / (1 + float(row @ shift))
        after = _half_width(covariance, gradient, noise, level)
        hours = float(candidates.hours[best])
        chosen.append(
            Addition(
                label=candidates.labels[best],
                hours=hours,
                half_width=after,
                narrowing_per_hour=(1 - after / before) / hours,
            )
        )
    return tuple(chosen)


def quantity_of(law: Law, name: str) -> Quantity:
    """Return a parameter or derived quantity of a law by its name.

    Raises:
        FitError: if the law has none of that name.
    """
    if name in law.parameters:
        index = law.parameters.index(name)
        return lambda theta: theta[..., index]
    derived = tuple(law.derived(np.ones(len(law.parameters))))
    if name in derived:
        return lambda theta: law.derived(theta)[name]
    raise FitError(
        f"the {law.name} law has no {name}",
        "--design",
        f"give one of: {', '.join((*law.parameters, *derived))}",
    )


def _rows(law: Law, parameters: Array, inputs: Array) -> Array:
    """Return the derivative of log y by the logarithm of each parameter, (n, M)."""
    moved = parameters * (1 + _STEP * np.eye(len(parameters)))
    back = parameters * (1 - _STEP * np.eye(len(parameters)))
    ahead, behind = law.predict(moved, inputs), law.predict(back, inputs)  # (M, n)
    return (np.log(ahead) - np.log(behind)).T / (2 * _STEP)


def _gradient(parameters: Array, quantity: Quantity) -> Array:
    """Return the derivative of a quantity by the logarithm of each parameter, (M,)."""
    ahead = quantity(parameters * (1 + _STEP * np.eye(len(parameters))))
    behind = quantity(parameters * (1 - _STEP * np.eye(len(parameters))))
    return (ahead - behind) / (2 * _STEP)


def _information(law: Law, rows: Array) -> Array:
    if np.linalg.matrix_rank(rows, rtol=1e-8) < rows.shape[1]:
        raise _undetermined(law, len(rows))
    return rows.T @ rows


def _half_width(covariance: Array, gradient: Array, noise: float, level: float) -> float:
    z = float(stats.norm.ppf(0.5 + level / 2))
    return z * noise * float(np.sqrt(gradient @ covariance @ gradient))


def _undetermined(law: Law, runs: int) -> FitError:
    return FitError(
        f"{runs} runs do not determine the {len(law.parameters)} parameters of the {law.name}",
        "design",
        "add sizes and token budgets that are not all in one proportion",
    )
