"""Errors from slopes, where the usual formula is known."""

import math

import numpy as np
import pytest

from models.evaluation.jackknife import jackknife_error

VALUES = np.array([2.0, 3.0, 7.0, 8.0])


def test_the_error_of_a_mean_is_the_usual_one() -> None:
    slopes = (VALUES - VALUES.mean()) / len(VALUES)  # of sum(w x) / sum(w), at equal weights
    assert jackknife_error(slopes) == pytest.approx(VALUES.std(ddof=1) / 2, rel=1e-12)


@pytest.mark.parametrize("slopes", [[0.0], [], [1.0, math.nan], [math.inf, -1.0]])
def test_what_says_nothing_of_how_a_value_varies_gives_no_error(slopes: list[float]) -> None:
    assert jackknife_error(slopes) is None
