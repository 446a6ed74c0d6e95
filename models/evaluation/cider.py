"""CIDEr-D: how much a caption says what others say of the same image, and of no other. Pure.

Vedantam et al. 2015 (arXiv:1411.5726), section 3 and, for the clipping and the length penalty,
appendix; with the constants of coco-caption's `cider_scorer.py`.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from models.evaluation.caption_words import Words, ngrams

LONGEST = 4
"""Words of the longest n-gram."""
SIGMA = 6.0
"""Standard deviation, in words, of the penalty on lengths other than the reference's."""
SCALE = 10.0
"""CIDEr-D of a caption that is its only reference; papers print 100 times the mean."""


@dataclass(frozen=True, slots=True)
class Cider:
    """Weights of n-grams, from the references of a set of images."""

    images: Mapping[Words, int]
    """For each n-gram, the images that some reference uses it of."""
    total: int
    """Images in all."""

    def score(self, candidate: Words, references: Sequence[Words]) -> float:
        """Return CIDEr-D in [0, 10].

        The mean over n-gram lengths and references of the clipped cosine of TF-IDF vectors,
        times exp(-(difference in words)^2 / (2 * 6^2)).
        """
        found = 0.0
        for size in range(1, LONGEST + 1):
            ours = self._weights(candidate, size)
            for reference in references:
                penalty = math.exp(-((len(candidate) - len(reference)) ** 2) / (2 * SIGMA**2))
                found += penalty * _clipped_cosine(ours, self._weights(reference, size))
        return SCALE * found / (LONGEST * len(references))

    def _weights(self, words: Words, size: int) -> dict[Words, float]:
        """Return count * log(images / images that use it); an unknown n-gram is as if in one."""
        return {
            ngram: count * math.log(self.total / max(1, self.images.get(ngram, 0)))
            for ngram, count in Counter(ngrams(words, size)).items()
        }


def cider_of(references: Sequence[Sequence[Words]]) -> Cider:
    """Count the n-grams of each image's references."""
    sizes = range(1, LONGEST + 1)
    counts = Counter(
        chain.from_iterable(
            {ngram for caption in some for size in sizes for ngram in ngrams(caption, size)}
            for some in references
        )
    )
    return Cider(counts, len(references))


def _clipped_cosine(ours: Mapping[Words, float], theirs: Mapping[Words, float]) -> float:
    """Return sum min(ours, theirs) * theirs / (|ours| |theirs|), in [0, 1]: repeating pays not."""
    length = math.hypot(*ours.values()) * math.hypot(*theirs.values())
    if length == 0:
        return 0.0
    shared = math.fsum(
        min(weight, theirs[ngram]) * theirs[ngram]
        for ngram, weight in ours.items()
        if ngram in theirs
    )
    return min(1.0, shared / length)  # rounding
