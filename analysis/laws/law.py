"""What a scaling law is to the fitting engine: a sum of exponentials in linear features.

Every law here has the form

    y = sum_k  sign_k * c_k * f_k(x) * exp(-sum_j e_j * z_kj(x)),    c_k >= 0,

linear in the coefficients c once the exponents e are known. A power law has z = log x, an
offset has z = 0; most have f = 1. The engine needs no more than the features z and the factors f
to fit any of them. Pure.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Law:
    """A functional form with P terms, Q exponents and M = P + Q parameters."""

    name: str
    """How it is called in records and on figures."""
    equation: str
    """The form, in the letters of `parameters`."""
    source: str
    """Paper and equation."""
    inputs: tuple[str, ...]
    """What it is a function of, with the names of the results table."""
    coefficients: tuple[str, ...]
    """Names of c, in the order of the terms; each is at least 0."""
    signs: tuple[int, ...]
    """+1 or -1 for each term."""
    exponents: tuple[str, ...]
    """Names of e."""
    features: Callable[[Array], Array]
    """Inputs (n, inputs) -> z (n, P, Q)."""
    factors: Callable[[Array], Array] | None = None
    """Inputs (n, inputs) -> f (n, P), at least 0 and without parameters; None where all are 1."""
    search: tuple[float, float] = (0.01, 3.0)
    """Range of exponents in which starts are screened."""
    bounds: tuple[float, float] = (-2.0, 10.0)
    """Range that an exponent never leaves; a fit that ends on its edge is refused."""
    may_rise: bool = False
    """Whether an exponent below 0 makes sense; else it is flagged."""
    derive: Callable[[Mapping[str, Array]], dict[str, Array]] | None = None
    """Further quantities from the parameters, elementwise."""

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of all parameters: coefficients, then exponents."""
        return (*self.coefficients, *self.exponents)

    @property
    def may_be_zero(self) -> NDArray[np.bool_]:
        """Whether each input may be 0, as shares and epochs may: no term takes its logarithm."""
        probes = 1.0 - np.eye(len(self.inputs))
        with np.errstate(divide="ignore"):
            return np.asarray(np.isfinite(self.features(probes)).all(axis=(1, 2)))

    def weights(self, inputs: Array) -> Array:
        """Return what each term counts at inputs (n, inputs) for a coefficient of 1: (n, P)."""
        signs = np.tile(np.asarray(self.signs, dtype=np.float64), (len(inputs), 1))
        return signs if self.factors is None else signs * self.factors(inputs)

    def predict(self, parameters: Array, inputs: Array) -> Array:
        """Evaluate the law.

        Args:
            parameters: values in the order of `parameters`, (..., M).
            inputs: (n, inputs), in the order of `inputs`, above 0 but where `may_be_zero`.

        Returns:
            Predictions, (..., n).
        """
        terms = len(self.coefficients)
        coefficients, exponents = parameters[..., :terms], parameters[..., terms:]
        exponent = np.einsum("npq,...q->...np", self.features(inputs), exponents)  # (..., n, P)
        grown = np.exp(-exponent) * self.weights(inputs)
        return np.asarray(np.einsum("...np,...p->...n", grown, coefficients))

    def derived(self, parameters: Array) -> dict[str, Array]:
        """Return the further quantities of parameters (..., M), each of shape (...)."""
        if self.derive is None:
            return {}
        return self.derive({name: parameters[..., i] for i, name in enumerate(self.parameters)})
