"""Curves that approach a ceiling exponentially: error from loss, score over epochs. Pure."""

import numpy as np

from analysis.laws.law import Array, Law


def _features(inputs: Array) -> Array:
    x = inputs[:, 0]
    return np.stack([np.zeros_like(x), x], axis=1)[:, :, None]  # (n, 2, 1)


DOWNSTREAM_ERROR = Law(
    name="downstream error",
    equation="error = eps - k * exp(-gamma * loss)",
    source="Gadre et al. 2024, arXiv:2403.08540, equation 5",
    inputs=("loss",),
    coefficients=("eps", "k"),
    signs=(1, -1),
    exponents=("gamma",),
    features=_features,
)
"""Mean error of a benchmark suite from the held-out loss, both in [0, 1] and nats per token."""


def saturation(x: str) -> Law:
    """Return a score's approach to its ceiling over `x`, such as `epochs`; `x` may be 0."""
    return Law(
        name="saturation",
        equation=f"score = ceiling - gap * exp(-rate * {x})",
        source="an exponential approach: an assumption",
        inputs=(x,),
        coefficients=("ceiling", "gap"),
        signs=(1, -1),
        exponents=("rate",),
        features=_features,
    )
