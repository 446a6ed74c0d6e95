"""Loss of models trained beyond, or short of, their compute-optimal token count. Pure."""

import numpy as np

from analysis.laws.law import Array, Law

_LOG_6 = float(np.log(6.0))  # C = 6 N D


def _features(inputs: Array) -> Array:
    """(C, M) as exponents: M^eta C^-eta = (6 N^2)^-eta and M^-eta C^-eta = (6 D^2)^-eta."""
    params, tokens = np.log(inputs).T
    nothing = np.zeros_like(params)
    return np.stack([nothing, _LOG_6 + 2 * params, _LOG_6 + 2 * tokens], axis=1)[:, :, None]


OVERTRAINING = Law(
    name="over-training",
    equation="L = E + (a * M^eta + b * M^-eta) * C^-eta;  M = tokens / params, C = 6 params tokens",
    source="Gadre et al. 2024, arXiv:2403.08540, equation 4",
    inputs=("params", "tokens"),
    coefficients=("E", "a", "b"),
    signs=(1, 1, 1),
    exponents=("eta",),
    features=_features,
    search=(0.005, 1.0),
)
"""L(C, M): one exponent for both, so that it is determined by few runs."""
