"""Predict through two laws: from scale to loss, and from loss to a benchmark's error. Pure."""

from dataclasses import dataclass

import numpy as np

from analysis.fits.record import Fit
from analysis.laws.law import Array
from orchestrator.errors import FitError


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Chained:
    """Predictions at n places with the uncertainty of both laws."""

    value: Array
    """(n,)."""
    low: Array
    """Lower end, (n,)."""
    high: Array
    """Upper end, (n,)."""
    extrapolation: Array
    """How many times beyond the nearest measured scale, of either law, (n,)."""


def chain(first: Fit, second: Fit, inputs: Array, rng: np.random.Generator) -> Chained:
    """Put the first law's prediction into the second.

    Each draw pairs a replicate of one fit with one of the other, which holds where the two have
    their noise from different measurements.

    Args:
        first: of the loss.
        second: with the loss as its one input.
        inputs: of the first law, (n, inputs).
        rng: pairs the replicates.

    Raises:
        FitError: if the second law has other inputs, or one of the fits has no replicates.
    """
    if len(second.law.inputs) != 1 or first.interval is None or second.interval is None:
        raise FitError(
            f"{first.law.name} and {second.law.name} cannot be chained",
            "two-step prediction",
            "fit both with intervals, the second with the loss as its only input",
        )
    draws = max(len(first.replicates), len(second.replicates))
    one = first.replicates[rng.integers(len(first.replicates), size=draws)]
    two = second.replicates[rng.integers(len(second.replicates), size=draws)]
    losses = first.law.predict(one, inputs)  # (draws, n)
    reached = np.stack(
        [second.law.predict(two[i], losses[i][:, None]) for i in range(draws)]
    )  # (draws, n)
    tail = (1 - first.interval.level) / 2
    low, high = np.quantile(reached, [tail, 1 - tail], axis=0)
    middle = first.predict(inputs)[:, None]  # (n, 1)
    return Chained(
        value=second.predict(middle),
        low=low,
        high=high,
        extrapolation=np.maximum(first.extrapolation(inputs), second.extrapolation(middle)),
    )
