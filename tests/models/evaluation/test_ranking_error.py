"""Standard errors of rankings: by hand, against plain resampling, and over simulated benchmarks."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from models.evaluation.ranking import (
    auroc,
    average_precision,
    one_vs_one_auroc,
    one_vs_rest_precision,
)
from models.evaluation.ranking_error import (
    auroc_error,
    average_precision_error,
    one_vs_one_auroc_error,
    one_vs_rest_precision_error,
)

Rows = list[tuple[Any, int]]
Value = Callable[..., float | None]


def binary(n: int, rng: np.random.Generator, digits: int = 6) -> Rows:
    """Draw cases, two fifths of them right, whose scores are one standard deviation higher."""
    right = rng.random(n) < 0.4
    scores = np.round(rng.normal(size=n) + right, digits)
    return list(zip(scores.tolist(), right.astype(int).tolist(), strict=True))


def of_classes(n: int, rng: np.random.Generator) -> Rows:
    """Draw cases of three classes, one of them rarer."""
    labels = rng.choice(3, size=n, p=[0.45, 0.35, 0.2])
    scores = rng.normal(size=(n, 3))
    scores[np.arange(n), labels] += 1
    return list(zip(scores.tolist(), labels.tolist(), strict=True))


def apply(value: Value, rows: Rows) -> float | None:
    scores, labels = zip(*rows, strict=True)
    return value(list(scores), list(labels))


def told(value: Value, rows: Rows) -> float:
    found = apply(value, rows)
    assert found is not None
    return found


KINDS = pytest.mark.parametrize(
    ("draw", "value", "error"),
    [
        (binary, auroc, auroc_error),
        (binary, average_precision, average_precision_error),
        (of_classes, one_vs_one_auroc, one_vs_one_auroc_error),
        (of_classes, one_vs_rest_precision, one_vs_rest_precision_error),
    ],
    ids=["auroc", "average precision", "one-vs-one auroc", "one-vs-rest precision"],
)


def test_delongs_error_is_that_of_a_small_case_by_hand() -> None:
    # Right: 0.35 and 0.8, which stand above 1 and 2 of the two wrong ones: shares 1/2 and 1.
    # Wrong: 0.1 and 0.4, below which stand 2 and 1 of the two right ones: shares 1 and 1/2.
    # Variances 1/8 each, over 2 cases: 1/16 + 1/16.
    found = auroc_error([0.1, 0.4, 0.35, 0.8], [False, False, True, True])
    assert found == pytest.approx(math.sqrt(1 / 8))


def test_a_perfect_ranking_has_no_error_that_its_cases_could_show() -> None:
    scores, right = [0.1, 0.2, 0.3, 0.9], [False, False, True, True]
    assert auroc_error(scores, right) == 0
    assert average_precision_error(scores, right) == pytest.approx(0)


@pytest.mark.parametrize("digits", [6, 0], ids=["no ties", "many ties"])
def test_a_precisions_slopes_are_those_of_small_changes(digits: int) -> None:
    # The same case many times more is a change of its weight.
    rows, copies = binary(12, np.random.default_rng(3), digits), 4000
    whole = told(average_precision, rows)
    slopes = [copies * (told(average_precision, rows * copies + [row]) - whole) for row in rows]
    expected = math.sqrt(12 / 11 * sum(slope**2 for slope in slopes))
    assert told(average_precision_error, rows) == pytest.approx(expected, rel=0.01)


@KINDS
def test_the_error_is_about_that_of_resampled_questions(
    draw: Callable[..., Rows], value: Value, error: Value
) -> None:
    rng = np.random.default_rng(0)
    rows = draw(200, rng)
    found = [
        told(value, [rows[i] for i in rng.integers(len(rows), size=len(rows))]) for _ in range(300)
    ]
    assert told(error, rows) == pytest.approx(np.std(found, ddof=1), rel=0.15)  # 300 resamples


@KINDS
def test_intervals_of_two_errors_hold_the_true_value_as_often_as_they_should(
    draw: Callable[..., Rows], value: Value, error: Value
) -> None:
    # Average precision stands too high in small samples, by up to two fifths of its error at 80
    # cases, which no error tells; an area does not.
    n = 80 if value in (auroc, one_vs_one_auroc) else 250
    rng = np.random.default_rng(1)
    truth = told(value, draw(40_000, rng))
    samples = [draw(n, rng) for _ in range(400)]
    values = [told(value, rows) for rows in samples]
    errors = [told(error, rows) for rows in samples]
    held = [
        abs(found - truth) <= 1.96 * stderr for found, stderr in zip(values, errors, strict=True)
    ]
    # 95 % at best; 400 samples leave 1.1 % of uncertainty.
    assert 0.92 <= np.mean(held) <= 0.98
    assert np.mean(errors) == pytest.approx(np.std(values, ddof=1), rel=0.1)


def test_cases_of_a_kind_that_is_there_once_show_no_error() -> None:
    scores, right = [0.1, 0.2, 0.3], [False, False, True]
    assert auroc_error(scores, right) is None
    assert average_precision_error(scores, right) is None
    assert auroc_error(scores, [True, True, False]) is None
    assert average_precision_error(scores, [True, True, False]) is not None
    rows = [[0.6, 0.4], [0.7, 0.3], [0.2, 0.8]]
    assert one_vs_one_auroc_error(rows, [0, 0, 1]) is None
    assert one_vs_rest_precision_error(rows, [0, 0, 1]) is None
    for labels in ([], [0, 0, 0]):
        assert one_vs_one_auroc_error(rows[: len(labels)], labels) is None
        assert one_vs_rest_precision_error(rows[: len(labels)], labels) is None
    assert auroc_error([], []) is None


def test_two_classes_have_the_error_of_the_binary_case() -> None:
    rows = binary(60, np.random.default_rng(5))
    scores, labels = zip(*rows, strict=True)
    both = [[-one, one] for one in scores]
    binary_error = auroc_error(list(scores), [bool(one) for one in labels])
    assert one_vs_one_auroc_error(both, list(labels)) == pytest.approx(binary_error)
