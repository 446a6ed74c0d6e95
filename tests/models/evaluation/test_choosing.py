"""From log-likelihoods of options to their probabilities."""

import math

import pytest

from models.evaluation.choosing import shares


def test_probabilities_are_one_together_and_keep_the_ratios() -> None:
    one, other = shares([math.log(0.06), math.log(0.02)])
    assert (one, other) == pytest.approx((0.75, 0.25))


def test_answers_of_no_likelihood_to_speak_of_can_be_compared() -> None:
    assert shares([-5000.0, -5000.0 - math.log(3)]) == pytest.approx([0.75, 0.25])
    assert shares([-1.0, -5000.0]) == [1.0, 0.0]
