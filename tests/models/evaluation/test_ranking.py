"""AUROC and average precision against values worked out by hand."""

import pytest

from models.evaluation.ranking import (
    auroc,
    average_precision,
    one_vs_one_auroc,
    one_vs_rest_precision,
)


@pytest.mark.parametrize(
    ("scores", "is_right", "area", "precision"),
    [
        # Of the four pairs of right and wrong, three are in order: 0.35 < 0.4 is not.
        ([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1], 3 / 4, 1 / 2 * 1 + 1 / 2 * 2 / 3),
        ([0.1, 0.2, 0.8, 0.9], [0, 0, 1, 1], 1, 1),
        ([0.9, 0.8, 0.2, 0.1], [0, 0, 1, 1], 0, 1 / 2 * 1 / 3 + 1 / 2 * 2 / 4),
        # All alike: each pair is a tie, and there is one threshold.
        ([0.5] * 5, [0, 0, 0, 1, 1], 1 / 2, 2 / 5),
        # 0.5 is a right and a wrong one: 1 + 1 + 1/2 + 1 of 4 pairs; thresholds 0.7, 0.5, 0.1.
        ([0.7, 0.5, 0.5, 0.1], [1, 1, 0, 0], 3.5 / 4, 1 / 2 * 1 + 1 / 2 * 2 / 3),
    ],
)
def test_scores_are_ranked_with_ties_counting_half(
    scores: list[float], is_right: list[int], area: float, precision: float
) -> None:
    truths = [bool(one) for one in is_right]
    assert auroc(scores, truths) == pytest.approx(area)
    assert average_precision(scores, truths) == pytest.approx(precision)
    # Only the order matters, neither the scale nor where a case stands.
    assert auroc([10 * one - 3 for one in scores][::-1], truths[::-1]) == pytest.approx(area)
    assert average_precision([one**3 for one in scores][::-1], truths[::-1]) == pytest.approx(
        precision
    )


@pytest.mark.parametrize("is_right", [[], [True, True], [False, False]])
def test_one_kind_of_case_cannot_be_ranked(is_right: list[bool]) -> None:
    scores = [0.3, 0.6][: len(is_right)]
    assert auroc(scores, is_right) is None
    assert (average_precision(scores, is_right) is None) == (not any(is_right))


SCORES = [[0.6, 0.3, 0.1], [0.2, 0.5, 0.3], [0.5, 0.4, 0.1], [0.1, 0.3, 0.6], [0.3, 0.3, 0.4]]
LABELS = [0, 0, 1, 2, 2]


def test_classes_are_compared_in_pairs_that_weigh_alike() -> None:
    # 0 against 1, cases 0, 1, 2. By 0's score: 0.6 > 0.5 > 0.2, one of two pairs. By 1's score:
    # 0.4 against 0.3 and 0.5, one of two.
    first = (1 / 2 + 1 / 2) / 2
    # 0 against 2, cases 0, 1, 3, 4. By 0's: 0.6 beats both, 0.2 beats 0.1 alone: 3 of 4. By 2's:
    # 0.6 and 0.4 beat 0.1 and 0.3: 4 of 4.
    second = (3 / 4 + 1) / 2
    # 1 against 2, cases 2, 3, 4: 0.4 > 0.3, 0.3; and 0.6, 0.4 > 0.1.
    third = 1
    expected = (first + second + third) / 3
    assert one_vs_one_auroc(SCORES, LABELS) == pytest.approx(expected)


def test_a_class_that_is_nobodys_label_has_no_part_in_the_mean() -> None:
    wider = [[*row, 0.0] for row in SCORES]
    assert one_vs_one_auroc(wider, LABELS) == one_vs_one_auroc(SCORES, LABELS)
    assert one_vs_rest_precision(wider, LABELS) == one_vs_rest_precision(SCORES, LABELS)


def test_each_class_has_its_own_average_precision() -> None:
    first = 1 / 2 * 1 + 1 / 2 * 2 / 4  # by 0's score: right, wrong, wrong, right, wrong
    second = 1 / 2  # by 1's score: 0.5 is wrong, 0.4 is right
    third = 1  # 0.6 and 0.4 stand first
    expected = (first + second + third) / 3
    assert one_vs_rest_precision(SCORES, LABELS) == pytest.approx(expected)


def test_one_class_alone_cannot_be_told_from_others() -> None:
    assert one_vs_one_auroc([[0.5, 0.5]] * 2, [1, 1]) is None
    assert one_vs_rest_precision([[0.5, 0.5]] * 2, [1, 1]) is None
    assert one_vs_one_auroc([], []) is None


def test_two_classes_are_the_binary_case() -> None:
    right = [0.1, 0.4, 0.35, 0.8]
    rows = [[1 - one, one] for one in right]
    assert one_vs_one_auroc(rows, [0, 0, 1, 1]) == pytest.approx(0.75)
