"""Optima of curves measured at few places: isoFLOP slices, image ratios, cooldown points. Pure.

y = c0 + c1 x + c2 x^2 by least squares, with x as given or as its logarithm, and a residual
bootstrap for every quantity read from it.
"""

from dataclasses import dataclass

import numpy as np

from analysis.fits.interval import ends_of
from analysis.fits.questions import share_of_scatter
from analysis.fits.record import Value
from analysis.intervals import LEVEL
from analysis.laws.law import Array
from orchestrator.errors import FitError

REPLICATES = 1000
"""Resamples of a parabola: solving all of them is one matrix product."""
FEWEST_PLACES = 4
"""Different x that a parabola needs: three determine it and leave nothing to judge it by."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Parabola:
    """A fitted parabola."""

    optimum: Value
    """Where it is lowest (or highest), in units of x."""
    reached: Value
    """Its value there."""
    is_inside: bool
    """Whether the optimum lies within what was measured; outside, its place is extrapolated."""
    coefficients: Array
    """c0, c1, c2 of x (or log x), (3,)."""
    replicates: Array
    """Of resamples, (replicates, 3)."""
    level: float
    """Coverage of the intervals."""
    is_log: bool
    """Whether x enters as its logarithm."""
    question_share: float | None = None
    """Share of the scatter about the curve that questions alone would make; None if not asked."""


def parabola(  # noqa: PLR0913  (what is measured, and how it is to be read)
    x: Array,
    y: Array,
    rng: np.random.Generator,
    *,
    is_minimum: bool,
    is_log: bool = False,
    groups: int = 1,
    replicates: int = REPLICATES,
    level: float = LEVEL,
    shifts: Array | None = None,
) -> Parabola:
    """Fit a parabola and find its optimum with an interval.

    Source of the isoFLOP route: Hoffmann et al. 2022 (arXiv:2203.15556), section 3.2, with x = N
    at one budget in log space.

    Args:
        x: n places; above 0 if `is_log`.
        y: what was measured there, (n,).
        rng: makes the resamples.
        is_minimum: whether the lowest point is looked for, or the highest.
        is_log: whether x enters as its logarithm.
        groups: of points whose own means were taken out of y; 1 if none was.
        replicates: resamples.
        level: coverage, in (0, 1).
        shifts: what the questions behind y add to it in each resample, (replicates, n); the scatter
            about the curve is then drawn without the part that questions make of it.

    Raises:
        FitError: with fewer than four places, no more points than are spent on means, a value that
            is not finite, or a curve that bends the other way.
    """
    places = len(np.unique(x))
    if places < FEWEST_PLACES or not np.isfinite([x, y]).all() or (is_log and x.min() <= 0):
        raise FitError(
            f"{places} different places, or a value that is not a number",
            f"parabola over {len(x)} points",
            f"measure at {FEWEST_PLACES} places or more, and give finite values",
        )
    z = np.log(x) if is_log else x
    best, made, share = _resampled(z, y, rng, groups=groups, replicates=replicates, shifts=shifts)
    sign = 1.0 if is_minimum else -1.0
    if sign * best[2] <= 0:
        raise FitError(
            f"the curve has no {'lowest' if is_minimum else 'highest'} point",
            f"parabola over {len(x)} points",
            "measure on both sides of the optimum",
        )
    # A resample that bends the other way has its optimum at an end of what was measured.
    bent = sign * made[:, 2] > 0
    safe = np.where(bent, made[:, 2], 1.0)
    ends = np.array([z.min(), z.max()])
    at_ends = made[:, :1] + made[:, 1:2] * ends + made[:, 2:] * ends**2
    vertex = np.where(bent, -made[:, 1] / (2 * safe), ends[(sign * at_ends).argmin(axis=1)])
    place = float(-best[1] / (2 * best[2]))
    back = np.exp if is_log else np.asarray
    low, high = ends_of(back(vertex), level)
    value = best[0] + best[1] * place + best[2] * place**2
    values = made[:, 0] + made[:, 1] * vertex + made[:, 2] * vertex**2
    lowest, highest = ends_of(values, level)
    return Parabola(
        optimum=Value(name="optimum", value=float(back(place)), low=low, high=high),
        reached=Value(name="reached", value=float(value), low=lowest, high=highest),
        is_inside=bool(z.min() <= place <= z.max()),
        coefficients=best,
        replicates=made,
        level=level,
        is_log=is_log,
        question_share=share,
    )


def critical_ratio(
    ratio: Array, loss: Array, tolerance: float, rng: np.random.Generator, *, groups: int = 1
) -> Value:
    """Return the largest image ratio at which the text loss stays within a tolerance.

    The loss without images is the fitted curve's own at a ratio of 0; the answer is at most the
    largest ratio measured.

    Args:
        ratio: n image ratios, in [0, 1].
        loss: text loss at each, (n,).
        tolerance: share of the loss by which it may rise: 0.01 is 1 %.
        rng: makes the resamples.
        groups: of points whose own level was divided out of the loss; 1 if none was.

    Raises:
        FitError: with fewer than four ratios, if none of them is 0, or with no more points than are
            spent on levels.
    """
    if len(np.unique(ratio)) < FEWEST_PLACES or ratio.min() > 0:
        raise FitError(
            f"ratios {np.unique(ratio).tolist()}",
            "critical ratio",
            f"measure the text loss at a ratio of 0 and at {FEWEST_PLACES - 1} further ones",
        )
    best, made, _ = _resampled(ratio, loss, rng, groups=groups, replicates=REPLICATES)
    most = float(ratio.max())
    low, high = ends_of(_first_crossing(made, tolerance, most), LEVEL)
    value = float(_first_crossing(best[None], tolerance, most)[0])
    return Value(name="critical ratio", value=value, low=low, high=high)


def _resampled(
    z: Array,
    y: Array,
    rng: np.random.Generator,
    *,
    groups: int,
    replicates: int,
    shifts: Array | None = None,
) -> tuple[Array, Array, float | None]:
    """Return c0, c1, c2 by least squares, (3,), and those of a residual bootstrap, (replicates, 3).

    The last is the share of the scatter that questions make; None without shifts.

    Raises:
        FitError: if there are no residuals left to draw from.
    """
    spare = len(y) - 2 - groups  # points beyond c1, c2 and a level for each group
    if spare < 1:
        raise FitError(
            f"{len(y)} points of {groups} groups",
            "parabola",
            "measure at more places, or with more seeds",
        )
    design = np.stack([np.ones_like(z), z, z**2], axis=1)  # (n, 3)
    solve = np.linalg.pinv(design)  # (3, n)
    best = solve @ y
    noise = (y - design @ best) * np.sqrt(len(y) / spare)
    share = None if shifts is None else share_of_scatter(shifts, design, y - design @ best)
    if share is not None:
        noise *= np.sqrt(1 - share)
    drawn = rng.choice(noise - noise.mean(), size=(replicates, len(y)))
    if shifts is not None:
        drawn += shifts
    return best, (design @ best + drawn) @ solve.T, share


def _first_crossing(curves: Array, tolerance: float, most: float) -> Array:
    """Return the least x > 0 at which c1 x + c2 x^2 = tolerance c0, at most `most`: (b, 3) -> (b,).

    The root is 2 q / (c1 + sqrt(c1^2 + 4 c2 q)), q = tolerance c0, which holds for a straight line.
    """
    offset, slope, bend = curves.T
    allowed = tolerance * offset
    square = slope**2 + 4 * bend * allowed
    below = slope + np.sqrt(np.maximum(square, 0.0))
    crosses = (square >= 0) & (below > 0)
    root = 2 * allowed / np.where(crosses, below, 1.0)
    return np.where(crosses, np.minimum(root, most), most)
