"""Loss as a function of parameters and training tokens, and what to make of a budget. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.laws.law import Array, Law

FLOPS_PER_PARAM_TOKEN = 6.0
"""C = 6 N D: FLOP of one token's forward and backward pass per parameter (Kaplan et al. 2020,
arXiv:2001.08361, section 2.1)."""


def loss(params: Array, tokens: Array, *, values: Mapping[str, float]) -> Array:
    """Return L = E + A / N^alpha + B / D^beta, in nats per token.

    Source: Hoffmann et al. 2022 (arXiv:2203.15556), equation 2.
    """
    return (
        values["E"]
        + values["A"] / params ** values["alpha"]
        + values["B"] / tokens ** values["beta"]
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Allocation:
    """The best use of a compute budget."""

    flops: float
    """C, in FLOP, by C = 6 N D."""
    params: float
    """N_opt."""
    tokens: float
    """D_opt."""
    loss: float
    """What the law expects there, in nats per token."""


def best_allocation(flops: float, values: Mapping[str, float]) -> Allocation:
    """Split a budget between parameters and tokens so that the law's loss is lowest.

    Source: Hoffmann et al. 2022 (arXiv:2203.15556), equation 4: N_opt = G (C / 6)^a,
    D_opt = (C / 6)^b / G, with G = (alpha A / (beta B))^(1 / (alpha + beta)).
    """
    alpha, beta = values["alpha"], values["beta"]
    gain = (alpha * values["A"] / (beta * values["B"])) ** (1 / (alpha + beta))
    product = flops / FLOPS_PER_PARAM_TOKEN
    params = gain * product ** (beta / (alpha + beta))
    tokens = product / params
    reached = loss(np.array([params]), np.array([tokens]), values=values)
    return Allocation(flops=flops, params=params, tokens=tokens, loss=float(reached[0]))


def has_best_allocation(parameters: Array) -> NDArray[np.bool_]:
    """Return whether each law, (..., 5), falls with parameters and with tokens: (...).

    One that does not is lowest with none of the one, and as much as there may be of the other.
    """
    return np.asarray((parameters[..., 1:] > 0).all(axis=-1))


def optimal_params(flops: float, parameters: Array) -> Array:
    """Return N_opt of a budget in FLOP for each law, (..., 5) in the order of `CHINCHILLA`.

    It is NaN for a law without best allocation.
    """
    there = has_best_allocation(parameters)[..., None]
    A, B, alpha, beta = np.moveaxis(np.where(there, parameters[..., 1:], np.nan), -1, 0)
    product = (flops / FLOPS_PER_PARAM_TOKEN) ** beta
    return np.asarray((alpha * A / (beta * B) * product) ** (1 / (alpha + beta)))


def optimal_tokens(flops: float, parameters: Array) -> Array:
    """Return D_opt of a budget in FLOP for each law, (..., 5)."""
    return flops / FLOPS_PER_PARAM_TOKEN / optimal_params(flops, parameters)


def optimal_loss(flops: float, parameters: Array) -> Array:
    """Return the loss at N_opt and D_opt of a budget in FLOP for each law, (..., 5)."""
    params = optimal_params(flops, parameters)
    return np.asarray(
        parameters[..., 0]
        + parameters[..., 1] / params ** parameters[..., 3]
        + parameters[..., 2] / optimal_tokens(flops, parameters) ** parameters[..., 4]
    )


def _features(inputs: Array) -> Array:
    features = np.zeros((len(inputs), 3, 2))  # terms E, A, B; exponents alpha, beta
    features[:, 1, 0] = np.log(inputs[:, 0])
    features[:, 2, 1] = np.log(inputs[:, 1])
    return features


def _derive(values: Mapping[str, Array]) -> dict[str, Array]:
    total = values["alpha"] + values["beta"]
    return {"a": values["beta"] / total, "b": values["alpha"] / total}


CHINCHILLA = Law(
    name="Chinchilla",
    equation="L = E + A / params^alpha + B / tokens^beta;  N_opt ~ C^a, D_opt ~ C^b",
    source="Hoffmann et al. 2022, arXiv:2203.15556, equations 2 and 4",
    inputs=("params", "tokens"),
    coefficients=("E", "A", "B"),
    signs=(1, 1, 1),
    exponents=("alpha", "beta"),
    features=_features,
    derive=_derive,
)
"""L(N, D) of the third approach; a and b are the exponents of the best allocation."""
