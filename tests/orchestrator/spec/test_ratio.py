"""Every prefix of a run has its share of images, by one rule for the plan and for training."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.spec.ratio import images_before

thousandths = st.integers(1, 999).map(lambda share: share / 1000)


@settings(max_examples=30, deadline=None)
@given(thousandths, st.integers(1, 400))
def test_every_prefix_has_its_share_of_images_to_within_half_a_sequence(
    ratio: float, length: int
) -> None:
    share = Fraction(str(ratio))
    for index in range(length):
        assert abs(images_before(index, ratio) - index * share) <= Fraction(1, 2)
        assert images_before(index + 1, ratio) - images_before(index, ratio) in (0, 1)


@settings(max_examples=30, deadline=None)
@given(thousandths, st.integers(0, 10**15))
def test_shares_do_not_drift_however_long_a_run_is(ratio: float, index: int) -> None:
    assert images_before(index * 1000, ratio) == index * round(ratio * 1000)


@pytest.mark.parametrize("index", [0, 1, 5, 10**12])
def test_the_extremes_are_all_or_nothing(index: int) -> None:
    assert (images_before(index, 0.0), images_before(index, 1.0)) == (0, index)


@pytest.mark.parametrize(
    ("sequences", "ratio", "number"),
    [(10, 0.25, 3), (10, 0.05, 1), (3, 0.1, 0), (7, 1.0, 7), (1000, 0.0005, 1), (5, 0.1, 1)],
)
def test_image_sequences_are_rounded_halves_up(sequences: int, ratio: float, number: int) -> None:
    assert images_before(sequences, ratio) == number
