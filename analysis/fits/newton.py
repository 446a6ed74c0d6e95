"""Damped Newton steps within bounds, for many problems of few parameters at once. Pure.

Shapes in comments: B problems, M parameters.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.fits.problem import Expansion
from analysis.laws.law import Array

TOLERANCE = 1e-13
"""A problem is solved when a full Newton step would lower its value by less than this share."""
LOOSE_TOLERANCE = 1e-9
"""What counts as solved where rounding allows no further descent."""
FLOOR = 1e-24
"""Value below which all residuals are zero to rounding."""
AT_BOUND = 1e-8
"""A step that ends nearer to a least value goes all the way: creeping on, the parameter would count
as free, and cut every joint step short."""
_DAMPING_START, _DAMPING_MOST = 1e-3, 1e12

Expand = Callable[[Array, NDArray[np.int64]], Expansion]
"""Parameters (b, M) and which problems they belong to (b,) -> their expansion."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Minima:
    """Where B descents ended."""

    theta: Array
    """(B, M)."""
    value: Array
    """(B,)."""
    decrement: Array
    """Share of the value that another Newton step would take off, (B,)."""
    gradient: Array
    """Largest component of the scaled, free gradient relative to the value, (B,)."""
    converged: NDArray[np.bool_]
    """(B,)."""


def minimise(
    expand: Expand, theta: Array, lower: Array, upper: Array, *, most_steps: int = 200
) -> Minima:
    """Descend from each start to a point where no Newton step helps.

    The Hessian's eigenvalues are taken by size and damped (Levenberg-Marquardt), so that each step
    descends; parameters at a bound that the gradient pushes outwards stay there.

    Args:
        expand: the objectives.
        theta: starts, (B, M).
        lower: least values, (M,).
        upper: greatest values, (M,).
        most_steps: after which a descent counts as not converged.
    """
    theta = np.clip(theta, lower, upper)
    problems = np.arange(len(theta))
    here = expand(theta, problems)
    damping = np.full(len(theta), _DAMPING_START)
    running = np.ones(len(theta), dtype=np.bool_)
    for _ in range(most_steps):
        active = problems[running]
        if not len(active):
            break
        local = _rows(here, active)
        step, decrement = _newton_step(theta[active], local, lower, upper, damping[active])
        solved = decrement <= TOLERANCE * local.value + FLOOR
        trial = np.clip(theta[active] + step, lower, upper)
        trial = np.where(trial - lower < AT_BOUND, lower, trial)
        there = expand(trial, active)
        better = (there.value < local.value) & ~solved
        theta[active[better]] = trial[better]
        _put(here, active, better, there)
        damping[active] = np.where(better, damping[active] / 10, damping[active] * 10)
        stuck = damping[active] > _DAMPING_MOST
        damping[active] = np.maximum(damping[active], 1e-15)
        running[active[solved | stuck]] = False
    _, decrement = _newton_step(theta, here, lower, upper, np.zeros(len(theta)))
    scaled, _, free = _scaled(theta, here, lower, upper)
    value = np.maximum(here.value, FLOOR)
    return Minima(
        theta=theta,
        value=here.value,
        decrement=decrement / value,
        gradient=np.abs(scaled * free).max(axis=1) / np.sqrt(value),
        converged=decrement <= LOOSE_TOLERANCE * here.value + FLOOR,
    )


def _newton_step(
    theta: Array, here: Expansion, lower: Array, upper: Array, damping: Array
) -> tuple[Array, Array]:
    """Return the step (B, M) and how much an undamped one is expected to lower the value (B,)."""
    gradient, scale, free = _scaled(theta, here, lower, upper)
    hessian = here.hessian / (scale[:, :, None] * scale[:, None, :])
    both = free[:, :, None] & free[:, None, :]
    hessian = np.where(both, hessian, np.eye(theta.shape[1]))
    values, vectors = np.linalg.eigh(hessian)
    along = np.einsum("bmk,bm->bk", vectors, gradient * free)  # (B, M) in the eigenbasis
    size = np.maximum(np.abs(values), 1e-14)
    step = -np.einsum("bmk,bk->bm", vectors, along / (size + damping[:, None]))
    return step / scale, 0.5 * (along**2 / size).sum(axis=1)


def _scaled(
    theta: Array, here: Expansion, lower: Array, upper: Array
) -> tuple[Array, Array, NDArray[np.bool_]]:
    """Return the gradient in units of the curvature, those units, and which parameters move."""
    largest = here.majorant.max(axis=1, keepdims=True)
    scale = np.sqrt(np.maximum(here.majorant, 1e-12 * largest + 1e-100))
    outward = ((theta <= lower) & (here.gradient > 0)) | ((theta >= upper) & (here.gradient < 0))
    return here.gradient / scale, scale, ~outward


def _rows(here: Expansion, rows: NDArray[np.int64]) -> Expansion:
    return Expansion(
        value=here.value[rows],
        gradient=here.gradient[rows],
        hessian=here.hessian[rows],
        majorant=here.majorant[rows],
    )


def _put(
    here: Expansion, rows: NDArray[np.int64], better: NDArray[np.bool_], there: Expansion
) -> None:
    """Overwrite the better ones in place; `here` belongs to the caller's descent alone."""
    here.value[rows[better]] = there.value[better]
    here.gradient[rows[better]] = there.gradient[better]
    here.hessian[rows[better]] = there.hessian[better]
    here.majorant[rows[better]] = there.majorant[better]
