"""The objective of a fit with its exact first and second derivatives, for many starts at once.

Shapes in comments: B starts or bootstrap replicates, n points, P terms, Q exponents, M = P + Q
parameters: the coefficients, then the exponents, in units in which observations and terms are of
order 1. Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from analysis.fits.estimator import Estimator, Residual
from analysis.fits.points import Points
from analysis.fits.terms import Terms
from analysis.laws.law import Array, Law

_LEAST = 1e-100
"""Stands for a prediction of 0, whose logarithm is not defined."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Expansion:
    """Value, gradient and Hessian of B objectives."""

    value: Array
    """(B,)."""
    gradient: Array
    """(B, M)."""
    hessian: Array
    """(B, M, M)."""
    majorant: Array
    """Diagonal of a Gauss-Newton matrix with weights slope / residual, (B, M): the curvature of a
    parabola above the objective, which is positive where the Hessian of a Huber loss is not."""

    def added_up(self, weights: Array) -> "Expansion":
        """Return R weighted sums of the B objectives, (R, B): expansions at the same parameters."""
        return Expansion(
            value=weights @ self.value,
            gradient=weights @ self.gradient,
            hessian=np.tensordot(weights, self.hessian, 1),
            majorant=weights @ self.majorant,
        )


def joined(parts: Sequence[Expansion]) -> Expansion:
    """Return the expansions of several batches as one."""
    if len(parts) == 1:
        return parts[0]
    return Expansion(
        value=np.concatenate([part.value for part in parts]),
        gradient=np.concatenate([part.gradient for part in parts]),
        hessian=np.concatenate([part.hessian for part in parts]),
        majorant=np.concatenate([part.majorant for part in parts]),
    )


class Problem:
    """A law, its points and an estimator, in scaled units."""

    def __init__(
        self, law: Law, points: Points, estimator: Estimator, *, is_centred: bool = True
    ) -> None:
        self.law = law
        self.points = points
        self.estimator = estimator
        self.unit = float(np.exp(np.log(points.observed).mean()))
        self.observed = points.observed / self.unit  # (n,)
        features = law.features(points.inputs)  # (n, P, Q)
        # Without centring a coefficient is the law's own, so that it can be held at a value.
        # At the least value a term that falls steeply has the height of its coefficient, so that
        # steeper ones still change little; about the mean, the coefficient would run to 0 with it.
        self.centre = features.min(axis=0) * is_centred  # (P, Q)
        self.features = features - self.centre
        self.parts = Terms(self.features, law.weights(points.inputs))
        self.log_observed = np.log(self.observed)  # (n,)

    def subset(self, is_kept: NDArray[np.bool_], observed: Array | None = None) -> Self:
        """Return the same problem of some of the points alone, in units of their own.

        Args:
            is_kept: which, (n,).
            observed: other observations of all points, in the law's unit, (n,); None for their own.
        """
        points = self.points
        if observed is not None:
            points = replace(points, observed=observed)
        return type(self)(self.law, points.subset(is_kept, "not drawn"), self.estimator)

    @property
    def terms(self) -> int:
        """P: how many coefficients there are."""
        return len(self.law.coefficients)

    @property
    def lower(self) -> Array:
        """Least values of the parameters, (M,)."""
        return np.array([0.0] * self.terms + [self.law.bounds[0]] * len(self.law.exponents))

    @property
    def upper(self) -> Array:
        """Greatest values of the parameters, (M,)."""
        return np.array([np.inf] * self.terms + [self.law.bounds[1]] * len(self.law.exponents))

    def natural(self, theta: Array) -> Array:
        """Return parameters in the law's own units, (B, M)."""
        coefficients, exponents = theta[:, : self.terms], theta[:, self.terms :]
        shift = np.exp(exponents @ self.centre.T)  # (B, P)
        return np.concatenate([self.unit * coefficients * shift, exponents], axis=1)

    def scaled(self, parameters: Array) -> Array:
        """Return parameters (B, M) of the law's own units in the problem's; undoes `natural`."""
        coefficients, exponents = parameters[:, : self.terms], parameters[:, self.terms :]
        shift = np.exp(exponents @ self.centre.T)  # (B, P)
        return np.concatenate([coefficients / (self.unit * shift), exponents], axis=1)

    def basis(self, exponents: Array) -> Array:
        """Return the signed terms for coefficients of 1: (B, Q) -> (B, P, n)."""
        return self.parts.basis(exponents)

    def predicted(self, theta: Array) -> Array:
        """Return the law in scaled units, (B, n)."""
        coefficients, exponents = theta[:, : self.terms], theta[:, self.terms :]
        return _weighted_sum(coefficients, self.basis(exponents))

    def residuals(self, theta: Array, observed: Array | None = None) -> Array:
        """Return the residuals in the estimator's space and the observations' unit, (B, n).

        Args:
            theta: parameters, (B, M).
            observed: other observations in scaled units, (B, n); None for the points' own.
        """
        residuals = self._residuals(self.predicted(theta), observed)
        return residuals if self.estimator.residual is Residual.LOG else residuals * self.unit

    def jacobian(self, theta: Array) -> Array:
        """Return the derivative of each residual by each parameter, (B, M, n)."""
        jacobian = self._jacobian(theta)[0]
        return jacobian if self.estimator.residual is Residual.LOG else jacobian * self.unit

    def bends(self, theta: Array, slopes: Array) -> Array:
        """Add up the residuals' second derivatives, each times a slope: (B, n) -> (B, M, M)."""
        jacobian, _ = self._jacobian(theta)
        bends = self.parts.bends(slopes, jacobian[:, : self.terms], theta[:, : self.terms])
        if self.estimator.residual is Residual.LOG:
            return bends - _products(jacobian, slopes)
        return bends * self.unit

    def expand(
        self, theta: Array, weights: Array, width: float, observed: Array | None = None
    ) -> Expansion:
        """Expand the Huber objective of one width to second order.

        Args:
            theta: parameters, (B, M).
            weights: how often each point counts, (B, n).
            width: of the Huber loss on the residual; infinite for least squares.
            observed: other observations in scaled units, (B, n); None for the points' own.
        """
        is_log = self.estimator.residual is Residual.LOG
        if not is_log:
            width = width / self.unit
        jacobian, predicted = self._jacobian(theta)  # (B, M, n), (B, n)
        residuals = self._residuals(predicted, observed)  # (B, n)
        # A narrow loss is divided by its width, so that it stays of order |r|.
        counts = weights if np.isinf(width) else weights / width
        clipped = np.clip(residuals, -width, width)
        slope = counts * clipped
        curvature = counts * (clipped == residuals)  # 1 inside the width, 0 beyond
        beyond = np.abs(residuals)
        beyond /= width
        np.maximum(beyond, 1.0, out=beyond)
        chord = np.divide(counts, beyond, out=beyond)  # slope / residual
        if is_log:
            curvature -= slope  # the logarithm's own bend
        bends = self.parts.bends(slope, jacobian[:, : self.terms], theta[:, : self.terms])
        return Expansion(
            value=np.einsum("bn,bn->b", slope, residuals - 0.5 * clipped),
            gradient=np.matmul(jacobian, slope[:, :, None])[:, :, 0],
            hessian=_products(jacobian, curvature) + bends,
            majorant=np.matmul(np.square(jacobian), chord[:, :, None])[:, :, 0],
        )

    def _jacobian(self, theta: Array) -> tuple[Array, Array]:
        """Return the residuals' derivatives (B, M, n), and the predictions (B, n)."""
        coefficients = theta[:, : self.terms]
        jacobian = np.empty((*theta.shape, len(self.observed)))
        basis = self.parts.basis(theta[:, self.terms :], out=jacobian[:, : self.terms])
        predicted = _weighted_sum(coefficients, basis)
        if self.estimator.residual is Residual.LOG:
            basis *= (1.0 / np.maximum(predicted, _LEAST))[:, None, :]
        self.parts.by_exponents(basis, coefficients, out=jacobian[:, self.terms :])
        return jacobian, predicted

    def _residuals(self, predicted: Array, observed: Array | None) -> Array:
        if self.estimator.residual is Residual.RAW:
            return predicted - (self.observed if observed is None else observed)
        target = self.log_observed if observed is None else np.log(observed)
        return np.log(np.maximum(predicted, _LEAST)) - target


def _products(jacobian: Array, weights: Array) -> Array:
    """Add up weighted products over the points: (B, M, n), (B, n) -> (B, M, M), symmetric."""
    size = jacobian.shape[1]
    products = np.empty((len(jacobian), size, size))
    for i in range(size):  # half of them, which for so few parameters beats a matrix product
        weighted = jacobian[:, i] * weights
        products[:, i, i:] = np.vecdot(jacobian[:, i:], weighted[:, None, :])
        products[:, i + 1 :, i] = products[:, i, i + 1 :]
    return products


def _weighted_sum(coefficients: Array, basis: Array) -> Array:
    """Add up terms: (B, P), (B, P, n) -> (B, n)."""
    return np.matmul(coefficients[:, None, :], basis)[:, 0]
