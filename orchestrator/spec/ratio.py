"""How many of some sequences are of images: one rule for the plan and for training. Pure."""

from fractions import Fraction
from functools import cache


@cache
def exact_ratio(ratio: float) -> Fraction:
    """Return the decimal number a ratio was written as: 0.1 is 1/10, not its binary neighbour."""
    return Fraction(repr(float(ratio)))


def images_before(index: int, ratio: float) -> int:
    """Count the image sequences among the first `index` sequences.

    It is `index * ratio` rounded to the nearest whole number (halves up), in exact arithmetic, so
    every prefix of a run has its image share to within half a sequence.

    Args:
        index: number of sequences, at least 0.
        ratio: share of image sequences, in [0, 1].
    """
    share = exact_ratio(ratio)
    return (2 * index * share.numerator + share.denominator) // (2 * share.denominator)
