"""BLEU of a corpus (Papineni et al. 2002, doi:10.3115/1073083.1073135). Pure.

Precisions are pooled over all captions, clipped at the most that one reference has of an n-gram,
and not smoothed; the brevity penalty takes each caption's closest reference in length, the shorter
of two equally close ones.
"""

import math
from collections import Counter
from collections.abc import Sequence

from models.evaluation.caption_words import Words, ngrams

LONGEST = 4
"""Words of the longest n-gram."""


def corpus_bleu(candidates: Sequence[Words], references: Sequence[Sequence[Words]]) -> list[float]:
    """Return BLEU-1 to BLEU-4 in [0, 1]: geometric means of precisions, with equal weights.

    Args:
        candidates: the captions that are scored.
        references: those of each candidate; at least one.
    """
    ours = sum(len(candidate) for candidate in candidates)
    theirs = sum(
        _closest(len(candidate), [len(one) for one in some])
        for candidate, some in zip(candidates, references, strict=True)
    )
    if not ours:
        return [0.0] * LONGEST
    penalty = min(1.0, math.exp(1 - theirs / ours))
    precisions = [_precision(candidates, references, size) for size in range(1, LONGEST + 1)]
    return [penalty * _geometric_mean(precisions[:size]) for size in range(1, LONGEST + 1)]


def _closest(length: int, others: Sequence[int]) -> int:
    return min(others, key=lambda other: (abs(other - length), other))


def _precision(
    candidates: Sequence[Words], references: Sequence[Sequence[Words]], size: int
) -> float:
    """Return the share of the candidates' n-grams that a reference has; 0 if there are none."""
    matched = total = 0
    for candidate, some in zip(candidates, references, strict=True):
        counts = Counter(ngrams(candidate, size))
        most: Counter[Words] = Counter()
        for reference in some:
            most |= Counter(ngrams(reference, size))
        matched += (counts & most).total()
        total += counts.total()
    return matched / total if total else 0.0


def _geometric_mean(values: Sequence[float]) -> float:
    return math.prod(values) ** (1 / len(values))
