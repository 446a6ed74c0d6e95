"""What a fit minimises: the sum of rho(residual) over the points. Pure.

Every estimator is reached through Huber losses of falling width, so that one solver serves all.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from analysis.laws.law import Array
from orchestrator.spec.checks import check_positive

LAD_WIDTH = 1e-7
"""Width of the Huber loss that leads to least absolute deviations; narrower ones lose their
curvature to rounding. The last bit are steps onto the kinks (`analysis.fits.kinks`)."""

_WIDEST = 0.1
"""Width of the first Huber loss after least squares; wider ones are least squares in practice."""


class Loss(StrEnum):
    """How a residual is counted."""

    HUBER = "huber"
    """0.5 r^2 up to delta, then delta (|r| - delta / 2)."""
    ABSOLUTE = "lad"
    """|r|: least absolute deviations."""
    SQUARES = "least_squares"
    """0.5 r^2."""


class Residual(StrEnum):
    """What a residual is."""

    LOG = "log"
    """log(predicted) - log(observed)."""
    RAW = "raw"
    """predicted - observed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimator:
    """A loss on a residual; `name` goes into every record.

    Raises:
        ConfigError: if delta is not above 0.
    """

    loss: Loss
    """How a residual is counted."""
    delta: float = 1e-3
    """Width of the Huber loss, in units of the residual; read by HUBER alone. Above 0.
    1e-3 is that of Hoffmann et al. 2022 (arXiv:2203.15556), section 3.3."""
    residual: Residual = Residual.LOG
    """What a residual is."""

    def __post_init__(self) -> None:
        check_positive("delta", self.delta)

    @property
    def name(self) -> str:
        """The estimator in words."""
        words = {
            Loss.HUBER: f"Huber, delta {self.delta:g}",
            Loss.ABSOLUTE: "least absolute deviations",
            Loss.SQUARES: "least squares",
        }
        return f"{words[self.loss]}, on {self.residual.value} residuals"

    def widths(self) -> tuple[float, ...]:
        """Return the widths of Huber losses that lead to this estimator; infinite is squares."""
        if self.loss is Loss.SQUARES:
            return (np.inf,)
        last = LAD_WIDTH if self.loss is Loss.ABSOLUTE else self.delta
        steps = max(0, int(np.ceil(np.log10(_WIDEST / last) - 1e-9)))
        return (np.inf, *(_WIDEST / 10**i for i in range(steps)), last)

    def objective(self, residuals: Array, weights: Array) -> Array:
        """Sum rho(r) over the points, in the convention of `loss`: (..., n) -> (...)."""
        return np.asarray((weights * self.rho(residuals)).sum(axis=-1))

    def rho(self, residuals: Array) -> Array:
        """Return what each residual costs."""
        if self.loss is Loss.ABSOLUTE:
            return np.abs(residuals)
        return huber(residuals, np.inf if self.loss is Loss.SQUARES else self.delta)


def huber(residuals: Array, width: float) -> Array:
    """Return 0.5 r^2 where |r| <= width, and width (|r| - width / 2) beyond."""
    size = np.abs(residuals)
    if np.isinf(width):
        return 0.5 * size**2
    return np.where(size <= width, 0.5 * size**2, width * (size - 0.5 * width))


HUBER = Estimator(loss=Loss.HUBER)
"""Hoffmann et al.'s: Huber with delta 1e-3 on log residuals."""
LEAST_SQUARES = Estimator(loss=Loss.SQUARES)
"""Least squares on log residuals."""
LEAST_ABSOLUTE = Estimator(loss=Loss.ABSOLUTE)
"""Least absolute deviations on log residuals."""
