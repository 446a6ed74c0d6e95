"""BLEU of a corpus (Papineni et al. 2002, doi:10.3115/1073083.1073135). Pure.

Precisions are pooled over all captions, clipped at the most that one reference has of an n-gram,
and not smoothed; the brevity penalty takes each caption's closest reference in length, the shorter
of two equally close ones.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.evaluation.caption_words import Words, ngrams

LONGEST = 4
"""Words of the longest n-gram."""


@dataclass(frozen=True, slots=True)
class Bleu:
    """BLEU with n-grams up to one length."""

    value: float
    """In [0, 1]: the geometric mean of precisions, with equal weights, times the penalty."""
    stderr: float | None
    """Over captions; None for one caption, or where no n-gram of some length was found."""


def corpus_bleu(candidates: Sequence[Words], references: Sequence[Sequence[Words]]) -> list[Bleu]:
    """Return BLEU-1 to BLEU-4, with standard errors by linearisation.

    BLEU is a function of sums over captions: its logarithm's derivative with respect to each
    caption's weight is squared and added up (the infinitesimal jackknife; Efron 1982, The
    Jackknife, the Bootstrap and Other Resampling Plans, chapter 6).

    Args:
        candidates: the captions that are scored.
        references: those of each candidate; at least one.
    """
    counts = [_counts(*pair) for pair in zip(candidates, references, strict=True)]
    ours = np.array([one.words for one in counts], dtype=np.float64)  # (n,)
    if not ours.sum():
        return [Bleu(0.0, None)] * LONGEST
    theirs = np.array([one.closest for one in counts], dtype=np.float64)  # (n,)
    found = np.array([one.found for one in counts], dtype=np.float64)  # (n, LONGEST)
    total = np.array([one.total for one in counts], dtype=np.float64)  # (n, LONGEST)
    penalty, slopes = _brevity(ours, theirs)
    return [
        _bleu(penalty, slopes, found[:, :size], total[:, :size]) for size in range(1, LONGEST + 1)
    ]


@dataclass(frozen=True, slots=True)
class _Counts:
    """What one caption adds to the sums."""

    words: int
    closest: int
    """Words of the reference of the closest length."""
    found: list[int]
    """N-grams of each length that a reference has."""
    total: list[int]
    """N-grams of each length."""


def _counts(candidate: Words, references: Sequence[Words]) -> _Counts:
    found: list[int] = []
    total: list[int] = []
    for size in range(1, LONGEST + 1):
        own = Counter(ngrams(candidate, size))
        most: Counter[Words] = Counter()
        for reference in references:
            most |= Counter(ngrams(reference, size))
        found.append((own & most).total())
        total.append(own.total())
    closest = _closest(len(candidate), [len(one) for one in references])
    return _Counts(len(candidate), closest, found, total)


def _closest(length: int, others: Sequence[int]) -> int:
    return min(others, key=lambda other: (abs(other - length), other))


def _brevity(
    ours: NDArray[np.float64], theirs: NDArray[np.float64]
) -> tuple[float, NDArray[np.float64]]:
    """Return the penalty, and how its logarithm grows with each caption's weight, (n,)."""
    c, r = float(ours.sum()), float(theirs.sum())
    if c >= r:
        return 1.0, np.zeros(len(ours))
    return math.exp(1 - r / c), (r * ours / c - theirs) / c


def _bleu(
    penalty: float,
    slopes: NDArray[np.float64],
    found: NDArray[np.float64],
    total: NDArray[np.float64],
) -> Bleu:
    """Return BLEU of n-grams of the lengths that are counted, (n, lengths) each."""
    hits, all_of_them = found.sum(0), total.sum(0)  # (lengths,)
    if not hits.all():
        return Bleu(0.0, None)
    n, lengths = found.shape
    value = penalty * math.prod((hits / all_of_them).tolist()) ** (1 / lengths)
    by_caption = slopes + (found / hits - total / all_of_them).mean(1)  # (n,)
    spread = float(np.square(by_caption).sum())
    return Bleu(value, value * math.sqrt(n / (n - 1) * spread) if n > 1 else None)
