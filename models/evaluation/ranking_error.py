"""Standard errors of AUROC and average precision over the cases they rank. Pure.

AUROCs have those of DeLong et al. 1988 (doi:10.2307/2531595) from the cases' placements (Sun & Xu
2014, doi:10.1109/LSP.2014.2337313), which for means over pairs of classes are added up case by case
before their variance is taken, as DeLong's covariances of areas over the same cases. Average
precisions have those of the infinitesimal jackknife: each case's derivative with respect to its
weight. Cases count as independent, as they do in the error of an accuracy. Where a kind of case is
there once, nothing says how it varies, and there is no error.
"""

import math
from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.evaluation.jackknife import jackknife_error
from models.evaluation.ranking import mean_ranks

Reals = NDArray[np.float64]


def auroc_error(scores: Sequence[float], is_right: Sequence[bool]) -> float | None:
    """Return the standard error of `auroc`; None unless two right and two wrong cases are there."""
    right = np.asarray(is_right, dtype=bool)
    return _by_class(_placements(scores, right), right)


def average_precision_error(scores: Sequence[float], is_right: Sequence[bool]) -> float | None:
    """Return the standard error of `average_precision`; None unless two right cases are there."""
    right = np.asarray(is_right, dtype=bool)
    return None if right.sum() < 2 else jackknife_error(_precision_slopes(scores, right))


def one_vs_one_auroc_error(
    scores: Sequence[Sequence[float]], labels: Sequence[int]
) -> float | None:
    """Return that of `one_vs_one_auroc`; None unless each class is there twice."""
    values, classes = np.asarray(scores, dtype=np.float64), np.asarray(labels)
    parts = np.zeros(len(classes))
    pairs = list(combinations(sorted(set(labels)), 2))
    for a, b in pairs:
        inside = (classes == a) | (classes == b)
        for one in (a, b):
            parts[inside] += _placements(values[inside, one], classes[inside] == one)
    return _by_class(parts / (2 * len(pairs)), classes) if pairs else None


def one_vs_rest_precision_error(
    scores: Sequence[Sequence[float]], labels: Sequence[int]
) -> float | None:
    """Return that of `one_vs_rest_precision`; None unless each class is there twice."""
    values, classes = np.asarray(scores, dtype=np.float64), np.asarray(labels)
    names, counts = np.unique(classes, return_counts=True)
    if len(names) < 2 or counts.min() < 2:
        return None
    slopes = [_precision_slopes(values[:, one], classes == one) for one in names.tolist()]
    return jackknife_error(np.mean(slopes, axis=0))


def _placements(scores: ArrayLike, right: NDArray[np.bool]) -> Reals:
    """Return of each case the share of cases of the other kind that it stands right to, (n,).

    DeLong's V10 and V01: the mean of either kind is the AUROC.
    """
    values = np.asarray(scores, dtype=np.float64)
    positives = int(right.sum())
    negatives = len(right) - positives
    ranks, found = mean_ranks(values), np.zeros(len(values))
    found[right] = (ranks[right] - mean_ranks(values[right])) / max(1, negatives)
    found[~right] = 1 - (ranks[~right] - mean_ranks(values[~right])) / max(1, positives)
    return found


def _by_class(parts: Reals, classes: NDArray[np.bool] | NDArray[np.int64]) -> float | None:
    """Return sqrt(sum over classes of variance / cases) of each case's part of the whole."""
    own = [parts[classes == one] for one in np.unique(classes)]
    if len(own) < 2 or any(len(some) < 2 for some in own):
        return None
    return math.sqrt(sum(float(some.var(ddof=1)) / len(some) for some in own))


def _precision_slopes(scores: ArrayLike, right: NDArray[np.bool]) -> Reals:
    """Return how average precision grows with the weight of each case, (n,); 0 in sum.

    With T right cases of N down to a threshold, r of them at it and P in all, AP = sum r T/N / P. A
    case adds itself to N, and if it is right to T, at its own threshold and at all below.
    """
    values = np.asarray(scores, dtype=np.float64)
    order = np.argsort(-values, kind="stable")
    starts = np.append(0, np.flatnonzero(np.diff(values[order])) + 1)
    at = np.add.reduceat(right[order].astype(np.float64), starts)  # r, by threshold
    hits = np.cumsum(at)  # T
    seen = np.append(starts[1:], len(values)).astype(np.float64)  # N
    positives, precision = hits[-1], hits / seen
    whole = float((at * precision).sum() / positives)
    gained = np.cumsum((at / seen)[::-1])[::-1]  # by a right case at a threshold or above
    lost = np.cumsum((at * hits / seen**2)[::-1])[::-1]  # by any case there
    threshold = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(values))))
    ranked = right[order] * (precision - whole + gained)[threshold] - lost[threshold]
    slopes = np.empty(len(values))
    slopes[order] = ranked / positives
    return slopes
