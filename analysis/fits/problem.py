"""The objective of a fit with its exact first and second derivatives, for many starts at once.

Shapes in comments: B starts or bootstrap replicates, n points, P terms, Q exponents, M = P + Q
parameters: the coefficients, then the exponents, in units in which observations and terms are of
order 1. Pure.
"""

from dataclasses import dataclass

import numpy as np

from analysis.fits.estimator import Estimator, Residual, huber, huber_curvature, huber_slope
from analysis.fits.points import Points
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


class Problem:
    """A law, its points and an estimator, in scaled units."""

    def __init__(
        self, law: Law, points: Points, estimator: Estimator, *, is_centred: bool = True
    ) -> None:
        self.law = law
        self.estimator = estimator
        self.unit = float(np.exp(np.log(points.observed).mean()))
        self.observed = points.observed / self.unit  # (n,)
        features = law.features(points.inputs)  # (n, P, Q)
        # Without centring a coefficient is the law's own, so that it can be held at a value.
        self.centre = features.mean(axis=0) * is_centred  # (P, Q)
        self.features = features - self.centre
        n, terms, exponents = features.shape
        outer = self.features[:, :, :, None] * self.features[:, :, None, :]  # (n, P, Q, Q)
        self.outer = outer.reshape(n * terms, exponents * exponents)
        self.signs = law.weights(points.inputs)  # (n, P)

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
        """Return the signed terms for coefficients of 1: (B, Q) -> (B, n, P)."""
        n, terms, count = self.features.shape
        growth = (-exponents) @ self.features.reshape(n * terms, count).T  # (B, n * P)
        # Bounded so that a wild step gives a bad value and not an overflow.
        np.clip(growth, -100.0, 100.0, out=growth)
        np.exp(growth, out=growth)
        basis = growth.reshape(len(exponents), n, terms)
        basis *= self.signs
        return basis

    def predicted(self, theta: Array) -> Array:
        """Return the law in scaled units, (B, n)."""
        coefficients, exponents = theta[:, : self.terms], theta[:, self.terms :]
        return np.asarray(np.einsum("bnp,bp->bn", self.basis(exponents), coefficients))

    def residuals(self, theta: Array, observed: Array | None = None) -> Array:
        """Return the residuals in the estimator's space and the observations' unit, (B, n).

        Args:
            theta: parameters, (B, M).
            observed: other observations in scaled units, (B, n); None for the points' own.
        """
        residuals = self._residuals(self.predicted(theta), observed)
        return residuals if self.estimator.residual is Residual.LOG else residuals * self.unit

    def jacobian(self, theta: Array) -> Array:
        """Return the derivative of each residual by each parameter, (B, n, M)."""
        coefficients, exponents = theta[:, : self.terms], theta[:, self.terms :]
        basis = self.basis(exponents)
        terms = basis * coefficients[:, None, :]
        jacobian = self._jacobian(basis, terms)
        if self.estimator.residual is Residual.RAW:
            return jacobian
        return jacobian / terms.sum(axis=2, keepdims=True)

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
        if self.estimator.residual is Residual.RAW:
            width = width / self.unit
        basis = self.basis(theta[:, self.terms :])  # (B, n, P)
        terms = basis * theta[:, None, : self.terms]  # (B, n, P)
        predicted = terms.sum(axis=2)  # (B, n)
        residuals = self._residuals(predicted, observed)  # (B, n)
        scale = 1.0 if np.isinf(width) else 1.0 / width  # a narrow loss stays of order |r|
        slope = scale * weights * huber_slope(residuals, width)  # (B, n)
        curvature = scale * weights * huber_curvature(residuals, width)
        chord = scale * weights / np.maximum(1.0, np.abs(residuals) / width)  # slope / residual
        jacobian = self._jacobian(basis, terms)  # (B, n, M)
        bend = slope  # what multiplies the second derivatives of the prediction
        if self.estimator.residual is Residual.LOG:
            positive = np.maximum(predicted, _LEAST)
            jacobian = jacobian / positive[:, :, None]
            curvature = curvature - slope  # the logarithm's own bend
            bend = slope / positive
        stretch = jacobian.transpose(0, 2, 1) @ (curvature[:, :, None] * jacobian)  # (B, M, M)
        return Expansion(
            value=scale * (weights * huber(residuals, width)).sum(axis=1),
            gradient=np.einsum("bn,bnm->bm", slope, jacobian),
            hessian=stretch + self._bends(bend, basis, terms),
            majorant=np.einsum("bn,bnm->bm", chord, jacobian**2),
        )

    def _jacobian(self, basis: Array, terms: Array) -> Array:
        """Return the prediction's derivatives, (B, n, M)."""
        by_exponent = -np.einsum("bnp,npq->bnq", terms, self.features)
        return np.concatenate([basis, by_exponent], axis=2)

    def _bends(self, bend: Array, basis: Array, terms: Array) -> Array:
        """Sum the prediction's second derivatives over the points, (B, n) -> (B, M, M)."""
        starts, _, count = terms.shape
        exponents = self.features.shape[2]
        bent = bend[:, :, None] * basis  # (B, n, P)
        mixed = -np.einsum("bnp,npq->bpq", bent, self.features)
        flat = (bend[:, :, None] * terms).reshape(starts, -1) @ self.outer  # (B, Q * Q)
        hessian = np.zeros((starts, count + exponents, count + exponents))
        hessian[:, :count, count:] = mixed
        hessian[:, count:, :count] = mixed.transpose(0, 2, 1)
        hessian[:, count:, count:] = flat.reshape(starts, exponents, exponents)
        return hessian

    def _residuals(self, predicted: Array, observed: Array | None) -> Array:
        target = self.observed if observed is None else observed
        if self.estimator.residual is Residual.RAW:
            return predicted - target
        return np.log(np.maximum(predicted, _LEAST)) - np.log(target)
