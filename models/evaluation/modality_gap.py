"""The Modality Integration Rate: how far vision tokens lie from text tokens inside a model. Pure.

Huang et al. 2024 (arXiv:2410.07167, ICCV 2025), an indicator of image-text pre-training that needs
no fine-tuning; lower is better. For each layer k = 1 .. K, from what vision tokens f_v and text
tokens f_t are behind it:

    MIR = log10 sum_k FD(w(a_k f_v), w(a_k f_t)),   a_k = 1 / mean |f_t|

FD is the squared Frechet distance of the Gaussians with their means and covariances (Dowson &
Landau 1982, doi:10.1016/0047-259X(82)90077-X), w puts the median token in the place of outliers.
The logarithm's base, that w replaces and does not drop, and that the last layer counts behind the
model's last norm are the paper's own code (github.com/shikiw/Modality-Integration-Rate, mir.py,
07070b9), whose "accurate" mode this agrees with; its "fast" one only approximates the square root.

With a distance comes its derivative with respect to the weight of each token, which says how it
would vary over other samples (`models.evaluation.jackknife`). Which tokens are outliers, and the
median token, count as fixed.

Shapes in comments: n tokens, D width, R rank, S smaller rank.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.evaluation.jackknife import jackknife_error

OUTLIER_DEVIATIONS = 3
"""Standard deviations of the tokens' lengths beyond which one is an outlier (the paper's 3 sigma).
"""

ROWS_AT_ONCE = 1024
"""Tokens that are weighed at once, which bounds memory."""


@dataclass(frozen=True, slots=True)
class Term:
    """One layer's term of the sum, and what each sample has to do with it."""

    distance: float
    """Of its vision and text tokens. At least 0; NaN where a token is no number."""
    slopes: NDArray[np.float64]
    """How it grows with the weight of each sample, whose tokens are of both kinds, (samples,)."""


@dataclass(frozen=True, slots=True)
class Distance:
    """How far two sets of tokens lie from each other, and what each token has to do with it."""

    value: float
    """At least 0; NaN where a token is no number."""
    slopes: tuple[Tensor, Tensor]
    """How the distance grows with the weight of each token of either set, (n,); 0 in sum."""

    def by_sample(self, of_one: Tensor, of_other: Tensor, samples: int) -> Term:
        """Return the term of samples that tokens of both sets come from.

        Args:
            of_one: the number of each token's sample, (n,), int64.
            of_other: that of the other set's.
            samples: how many there are.
        """
        slopes = np.zeros(samples)
        for owners, own in zip((of_one, of_other), self.slopes, strict=True):
            slopes += torch.bincount(owners.cpu(), own.cpu(), samples).numpy()
        return Term(self.value, slopes)


def layer_distance(vision: Tensor, text: Tensor) -> Distance:
    """Return one layer's term of the sum: the distance of its vision and text tokens.

    Args:
        vision: vision tokens behind the layer, (n, D), n at least 2.
        text: text tokens there, another (n, D).
    """
    text = text.double()
    lengths = _lengths(text)
    scale = float(1 / lengths.mean())
    found = frechet_distance(without_outliers(vision.double()), without_outliers(text))
    distance = scale**2 * found.value
    shrinking = 2 * distance * (1 - scale * lengths) / len(text)  # by what each does to the scale
    seen, read = (scale**2 * slopes for slopes in found.slopes)
    return Distance(distance, (seen, read + shrinking))


def integration_rate(terms: Sequence[Term]) -> float | None:
    """Return MIR from the terms of all layers; None where they are 0, or no numbers."""
    total = math.fsum(term.distance for term in terms)
    return math.log10(total) if 0 < total < math.inf else None


def integration_error(terms: Sequence[Term]) -> float | None:
    """Return the standard error of MIR over samples; None where there is no rate, or one sample."""
    if integration_rate(terms) is None:
        return None
    total = math.fsum(term.distance for term in terms)
    slopes = np.sum([term.slopes for term in terms], axis=0)
    return jackknife_error(slopes / (total * math.log(10)))


def without_outliers(tokens: Tensor) -> Tensor:
    """Put the median token in the place of those whose length is far from the median length.

    Far is more than `OUTLIER_DEVIATIONS` standard deviations (of a sample). The median token has in
    each place the median of all tokens; of an even number, the lower of the two in the middle.
    """
    lengths = _lengths(tokens)  # (n,)
    far = (lengths - lengths.median()).abs() > OUTLIER_DEVIATIONS * lengths.std()  # (n,)
    return torch.where(far[:, None], tokens.median(dim=0).values, tokens)  # (n, D)


def frechet_distance(one: Tensor, other: Tensor) -> Distance:
    """Return |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)) of two sets of tokens.

    With C = F F', the trace of the root is the sum of the singular values of F1' F2: no product of
    covariances is formed, whose root would lose half of the digits, and directions in which tokens
    do not vary drop out, so that fewer tokens than dimensions do no harm to the arithmetic. They do
    to the estimate: it grows as tokens become fewer, so compare equal numbers of them.

    Args:
        one: tokens, (n, D), n at least 2.
        other: tokens, another (n, D).
    """
    one, other = one.double(), other.double()
    if not bool(one.isfinite().all() and other.isfinite().all()):  # eigenvalues of it are refused
        return Distance(math.nan, (one[:, 0] * math.nan, other[:, 0] * math.nan))
    first, second = _Spread.of(one), _Spread.of(other)
    left, shared, right = cast(
        tuple[Tensor, Tensor, Tensor],
        torch.linalg.svd(first.root.T @ second.root, full_matrices=False),
    )  # (R, S), (S,), (S, R)
    apart = first.mean - second.mean  # (D,)
    distance = apart.square().sum() + first.variance + second.variance - 2 * shared.sum()
    slopes = (first.slopes(apart, left, shared), second.slopes(-apart, right.T, shared))
    return Distance(max(0.0, float(distance)), slopes)  # rounding


@dataclass(frozen=True, slots=True)
class _Spread:
    """How a set of tokens is spread."""

    tokens: Tensor
    """(n, D)."""
    mean: Tensor
    """(D,)."""
    vectors: Tensor
    """Directions in which they vary, (D, R)."""
    deviations: Tensor
    """How far they do, (R,)."""

    @classmethod
    def of(cls, tokens: Tensor) -> Self:
        """Take the sample covariance apart."""
        mean = tokens.mean(0)
        values, vectors = cast(tuple[Tensor, Tensor], torch.linalg.eigh(_covariance(tokens - mean)))
        noise = values[-1] * len(values) * torch.finfo(values.dtype).eps
        kept = values > noise
        return cls(tokens, mean, vectors[:, kept], values[kept].sqrt())

    @property
    def root(self) -> Tensor:
        """F, (D, R), such that F F' is the covariance."""
        return self.vectors * self.deviations

    @property
    def variance(self) -> Tensor:
        """The covariance's trace."""
        return self.deviations.square().sum()

    def slopes(self, apart: Tensor, turned: Tensor, shared: Tensor) -> Tensor:
        """Return how the distance from another set grows with the weight of each token, (n,).

        A token at z from the mean adds z / n to the mean and z z' / (n - 1) - C / n to the
        covariance, with respect to which the distance has the derivative 1 - T, where T is the map
        that takes one Gaussian to the other. z' T z is formed from the token's place in units of
        deviations, which is bounded however small these are.

        Args:
            apart: this mean less the other one, (D,).
            turned: singular vectors of F' G on this side, (R, S), where G is the other root.
            shared: singular values, (S,).
        """
        n = len(self.tokens)
        into = self.vectors @ (turned / self.deviations[:, None])  # (D, S)
        at_rest = (self.variance - shared.sum()) / n
        parts: list[Tensor] = []
        for start in range(0, n, ROWS_AT_ONCE):
            z = self.tokens[start : start + ROWS_AT_ONCE] - self.mean
            moved = (z @ into).square() @ shared  # z' T z
            parts.append(2 * z @ apart / n + (z.square().sum(-1) - moved) / (n - 1) - at_rest)
        return torch.cat(parts)


def _covariance(centred: Tensor) -> Tensor:
    return centred.T @ centred / (len(centred) - 1)  # (D, D)


def _lengths(tokens: Tensor) -> Tensor:
    return tokens.square().sum(-1).sqrt()  # (n,)
