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

Shapes in comments: n tokens, D width, R rank.
"""

import math
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor

OUTLIER_DEVIATIONS = 3
"""Standard deviations of the tokens' lengths beyond which one is an outlier (the paper's 3 sigma).
"""


def layer_distance(vision: Tensor, text: Tensor) -> float:
    """Return one layer's term of the sum: the distance of its vision and text tokens.

    Args:
        vision: vision tokens behind the layer, (n, D), n at least 2.
        text: text tokens there, another (n, D).

    Returns:
        At least 0; NaN where a token is no number.
    """
    vision, text = vision.double(), text.double()
    scale = 1 / _lengths(text).mean()
    return frechet_distance(without_outliers(scale * vision), without_outliers(scale * text))


def integration_rate(distances: Sequence[float]) -> float | None:
    """Return MIR from the distances of all layers; None where these are 0, or no numbers."""
    total = math.fsum(distances)
    return math.log10(total) if 0 < total < math.inf else None


def without_outliers(tokens: Tensor) -> Tensor:
    """Put the median token in the place of those whose length is far from the median length.

    Far is more than `OUTLIER_DEVIATIONS` standard deviations (of a sample). The median token has in
    each place the median of all tokens; of an even number, the lower of the two in the middle.
    """
    lengths = _lengths(tokens)  # (n,)
    far = (lengths - lengths.median()).abs() > OUTLIER_DEVIATIONS * lengths.std()  # (n,)
    return torch.where(far[:, None], tokens.median(dim=0).values, tokens)  # (n, D)


def frechet_distance(one: Tensor, other: Tensor) -> float:
    """Return |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)) of two sets of tokens, at least 0.

    With C = F F', the trace of the root is the sum of the singular values of F1' F2: no product of
    covariances is formed, whose root would lose half of the digits, and directions in which tokens
    do not vary drop out, so that fewer tokens than dimensions do no harm to the arithmetic. They do
    to the estimate: it grows as tokens become fewer, so compare equal numbers of them.

    Args:
        one: tokens, (n, D), n at least 2.
        other: tokens, another (n, D).
    """
    one, other = one.double(), other.double()
    if not bool(one.isfinite().all() and other.isfinite().all()):
        return math.nan  # eigenvalues of what is no number are refused
    apart = (one.mean(0) - other.mean(0)).square().sum()
    first, second = _root(one), _root(other)  # (D, R) each
    shared = cast(Tensor, torch.linalg.svdvals(first.T @ second)).sum()
    distance = apart + first.square().sum() + second.square().sum() - 2 * shared
    return max(0.0, float(distance))  # rounding


def _lengths(tokens: Tensor) -> Tensor:
    return tokens.square().sum(-1).sqrt()  # (n,)


def _root(tokens: Tensor) -> Tensor:
    """Return F, (D, R), such that F F' is the tokens' sample covariance, by its eigenvalues."""
    centred = tokens - tokens.mean(0)
    covariance = centred.T @ centred / (len(tokens) - 1)  # (D, D)
    values, vectors = cast(tuple[Tensor, Tensor], torch.linalg.eigh(covariance))
    noise = values[-1] * len(values) * torch.finfo(values.dtype).eps
    kept = values > noise
    return vectors[:, kept] * values[kept].sqrt()
