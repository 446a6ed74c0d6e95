"""The terms of a law at its points, with what a fit needs of their derivatives. Pure.

Shapes in comments: B starts or bootstrap replicates, n points, P terms, Q exponents, M = P + Q.
Points come last, so that every operation runs along them; a feature that is 0 at every point, such
as that of an offset, costs nothing.
"""

import numpy as np

from analysis.laws.law import Array

_STEEPEST = 100.0
"""Largest size of a term's logarithm: a wild step gives a bad value and not an overflow."""


class Terms:
    """w_p * exp(-sum_q e_q z_pq) at n points, for many exponents e at once."""

    def __init__(self, features: Array, weights: Array) -> None:
        """Lay out features (n, P, Q) and what each term counts, w, (n, P)."""
        columns = np.ascontiguousarray(features.transpose(1, 2, 0))  # (P, Q, n)
        self.count, self.exponents, self.points = columns.shape
        self.weights = np.ascontiguousarray(weights.T)  # (P, n)
        self.columns = columns
        self.moved_by = [  # exponents that move each term
            [q for q in range(self.exponents) if columns[p, q].any()] for p in range(self.count)
        ]
        self.moving = [p for p in range(self.count) if self.moved_by[p]]
        stacked = columns[self.moving].transpose(1, 0, 2)
        self.stacked = stacked.reshape(self.exponents, -1)  # (Q, moving * n)
        self.products = {p: self._products(p) for p in self.moving}

    def _products(self, p: int) -> Array:
        """Return the features of a term and the products of each two, (n, ...)."""
        own = [self.columns[p, q] for q in self.moved_by[p]]
        pairs = [one * other for i, one in enumerate(own) for other in own[i:]]
        return np.stack([*own, *pairs], axis=1)

    def basis(self, exponents: Array, out: Array | None = None) -> Array:
        """Return the terms for coefficients of 1: (B, Q) -> (B, P, n), into `out` if given."""
        basis = np.empty((len(exponents), self.count, self.points)) if out is None else out
        growth = -exponents @ self.stacked  # (B, moving * n)
        np.clip(growth, -_STEEPEST, _STEEPEST, out=growth)
        np.exp(growth, out=growth)
        grown = growth.reshape(len(exponents), len(self.moving), self.points)
        for p in range(self.count):
            if p in self.moving:
                np.multiply(grown[:, self.moving.index(p)], self.weights[p], out=basis[:, p])
            else:
                basis[:, p] = self.weights[p]
        return basis

    def by_exponents(self, basis: Array, coefficients: Array, out: Array) -> None:
        """Put the sum's derivatives by the exponents into `out`, (B, Q, n).

        Args:
            basis: terms for coefficients of 1, times what depends on the points alone, (B, P, n).
            coefficients: (B, P).
            out: overwritten.
        """
        still = set(range(self.exponents))
        for p in self.moving:
            term = basis[:, p] * -coefficients[:, p, None]
            for q in self.moved_by[p]:
                if q in still:
                    np.multiply(term, self.columns[p, q], out=out[:, q])
                    still.remove(q)
                else:
                    out[:, q] += term * self.columns[p, q]
        out[:, sorted(still)] = 0.0

    def bends(self, weights: Array, basis: Array, coefficients: Array) -> Array:
        """Return the sum's second derivatives, added up over the points with weights: (B, M, M).

        Args:
            weights: (B, n).
            basis: terms for coefficients of 1, times what depends on the points alone, (B, P, n).
            coefficients: (B, P).
        """
        size = self.count + self.exponents
        bends = np.zeros((len(basis), size, size))
        for p in self.moving:
            sums = (weights * basis[:, p]) @ self.products[p]  # (B, ...)
            place = len(self.moved_by[p])
            for i, q in enumerate(self.moved_by[p]):
                row = self.count + q
                bends[:, p, row] = bends[:, row, p] = -sums[:, i]
                for other in self.moved_by[p][i:]:
                    column = self.count + other
                    bends[:, row, column] += coefficients[:, p] * sums[:, place]
                    bends[:, column, row] = bends[:, row, column]
                    place += 1
        return bends
