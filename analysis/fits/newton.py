"""Damped Newton steps within bounds, for many problems of few parameters at once. Pure.

Shapes in comments: B problems, M parameters.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from analysis.fits.problem import Expansion
from analysis.laws.law import Array

LOOSE_TOLERANCE = 1e-9
"""What counts as solved where rounding allows no further descent."""
FLOOR = 1e-24
"""Value below which all residuals are zero to rounding."""
AT_BOUND = 1e-8
"""A step that ends nearer to a least value goes all the way: creeping on, the parameter would count
as free, and cut every joint step short."""
_DAMPING_START, _DAMPING_LEAST, _DAMPING_MOST = 1e-3, 1e-12, 1e12
"""In units of the curvature: of the first step, the least, and the one at which a descent gives up.
These and the factors below were found by trial, on the Chinchilla data by all estimators."""
_LEAST_PIVOT = 1e-10
"""A smaller pivot, in units of the curvature, is left to the eigenvalues."""

Expand = Callable[[Array, NDArray[np.int64]], Expansion]
"""Parameters (b, M) and which problems they belong to (b,) -> their expansion."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """When a descent ends."""

    tolerance: float = 1e-13
    """A problem is solved when a full Newton step would lower its value by less than this share."""
    most_steps: int = 200
    """Steps after which a descent counts as not converged."""


DEFAULT_STOP = Stop()
LATE_STEPS = 1000
"""Steps of a descent that is lower than any other and not yet at rest."""


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

    def and_those_of(self, other: "Minima") -> "Minima":
        """Return these, then others of the same problem."""
        return Minima(
            **{
                part.name: np.concatenate([getattr(self, part.name), getattr(other, part.name)])
                for part in fields(self)
            }
        )

    def replaced(self, rows: NDArray[np.bool_], others: "Minima") -> "Minima":
        """Return these with others in the place of some."""
        made = {part.name: getattr(self, part.name).copy() for part in fields(self)}
        for name, values in made.items():
            values[rows] = getattr(others, name)
        return Minima(**made)


def minimise(
    expand: Expand, theta: Array, lower: Array, upper: Array, *, stop: Stop = DEFAULT_STOP
) -> Minima:
    """Descend from each start to a point where no Newton step helps.

    The Hessian's eigenvalues are taken by size and damped (Levenberg-Marquardt), so that each step
    descends; parameters at a bound that the gradient pushes outwards stay there.

    Args:
        expand: the objectives.
        theta: starts, (B, M).
        lower: least values, (M,).
        upper: greatest values, (M,).
        stop: when to end.
    """
    theta = np.clip(theta, lower, upper)
    problems = np.arange(len(theta))
    here = expand(theta, problems)
    damping = np.full(len(theta), _DAMPING_START)
    running = np.ones(len(theta), dtype=np.bool_)
    for _ in range(stop.most_steps):
        active = problems[running]
        if not len(active):
            break
        local = _rows(here, active)
        step, decrement = _newton_step(theta[active], local, lower, upper, damping[active])
        solved = decrement <= stop.tolerance * local.value + FLOOR
        running[active[solved]] = False
        active, before = active[~solved], local.value[~solved]
        if not len(active):
            continue
        step = step[~solved]
        trial = np.clip(theta[active] + step, lower, upper)
        trial = np.where(trial - lower < AT_BOUND, lower, trial)
        there = expand(trial, active)
        better = there.value < before
        theta[active[better]] = trial[better]
        _put(here, active, better, there)
        failed = np.flatnonzero(~better)
        cut = failed[(theta[active[failed]] + step[failed] < lower).any(axis=1)]
        if len(cut):  # the other parameters went too far for one that was stopped
            rows = active[cut]
            trial = _cut_short(theta[rows], step[cut], lower)
            there = expand(trial, rows)
            less = there.value < before[cut]
            theta[rows[less]] = trial[less]
            _put(here, rows, less, there)
            better[cut[less]] = True
        changed = np.where(better, damping[active] / 5, damping[active] * 10)
        damping[active] = np.maximum(changed, _DAMPING_LEAST)
        running[active[damping[active] > _DAMPING_MOST]] = False
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
    unit = np.eye(theta.shape[1])
    hessian = np.where(both, hessian, unit)
    gradient = gradient * free
    full, is_definite = solve_definite(hessian, gradient)
    step, decrement = -full, 0.5 * (gradient * full).sum(axis=1)
    damped = is_definite & (damping > 0)
    if damped.any():
        raised = hessian[damped] + damping[damped, None, None] * unit
        step[damped] = -solve_definite(raised, gradient[damped])[0]
    bent = ~is_definite
    if bent.any():
        values, vectors = np.linalg.eigh(hessian[bent])
        along = np.einsum("bmk,bm->bk", vectors, gradient[bent])  # (b, M) in the eigenbasis
        size = np.maximum(np.abs(values), 1e-14)
        step[bent] = -np.einsum("bmk,bk->bm", vectors, along / (size + damping[bent, None]))
        decrement[bent] = 0.5 * (along**2 / size).sum(axis=1)
    return step / scale, decrement


def _cut_short(theta: Array, step: Array, lower: Array) -> Array:
    """Return where whole steps (B, M) first meet a least value."""
    room = np.where(theta + step < lower, (theta - lower) / np.where(step < 0, -step, 1.0), np.inf)
    first = room.argmin(axis=1)  # a parameter at its least value has no room
    trial = np.maximum(theta + room.min(axis=1)[:, None] * step, lower)
    rows = np.arange(len(theta))
    trial[rows, first] = lower[first]
    return trial


def solve_definite(matrices: Array, right: Array) -> tuple[Array, NDArray[np.bool_]]:
    """Solve small symmetric systems, and say which matrices are positive definite.

    Gaussian elimination of all systems at once, which for few unknowns is several times as fast as
    a call of LAPACK for each.

    Args:
        matrices: with a diagonal of order 1, (B, M, M).
        right: right-hand sides, (B, M).

    Returns:
        Solutions (B, M), and whether each is one (B,): where the matrix is not positive definite,
        or so nearly singular that elimination loses its digits, the solution means nothing.
    """
    rows = matrices.transpose(1, 2, 0).copy()  # (M, M, B)
    solution = right.T.copy()  # (M, B)
    is_definite = np.ones(len(right), dtype=np.bool_)
    size = len(rows)
    for i in range(size):
        is_definite &= rows[i, i] > _LEAST_PIVOT
        rows[i, i] = np.where(is_definite, rows[i, i], 1.0)
        factor = rows[i + 1 :, i] / rows[i, i]  # (M - i - 1, B)
        rows[i + 1 :, i + 1 :] -= factor[:, None] * rows[i, i + 1 :]
        solution[i + 1 :] -= factor * solution[i]
    for i in reversed(range(size)):
        solution[i] -= (rows[i, i + 1 :] * solution[i + 1 :]).sum(axis=0)
        solution[i] /= rows[i, i]
    return solution.T, is_definite


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
