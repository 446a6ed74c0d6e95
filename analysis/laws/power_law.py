"""Loss as a power law of one scale, with an irreducible part. Pure."""

import numpy as np

from analysis.laws.law import Array, Law


def loss(x: Array, *, E: float, A: float, alpha: float) -> Array:
    """Return L = E + A * x^-alpha, in nats per token.

    Source: Henighan et al. 2020 (arXiv:2010.14701), equation 1.1, with x the compute in FLOP.
    """
    return E + A * x**-alpha


def power_law(x: str) -> Law:
    """Return the power law of the input named `x`, such as `flops`, `params` or `tokens`."""
    return Law(
        name="power law",
        equation=f"L = E + A * {x}^-alpha",
        source="Henighan et al. 2020, arXiv:2010.14701, equation 1.1",
        inputs=(x,),
        coefficients=("E", "A"),
        signs=(1, 1),
        exponents=("alpha",),
        features=_features,
    )


def _features(inputs: Array) -> Array:
    log_x = np.log(inputs[:, 0])
    return np.stack([np.zeros_like(log_x), log_x], axis=1)[:, :, None]  # (n, 2, 1)
