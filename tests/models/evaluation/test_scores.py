"""Means, their errors, and the averages of a suite, by hand."""

import math

import pytest

from models.evaluation.scores import Score, macro_score, mean_score, suite_scores


def test_the_standard_error_is_the_samples() -> None:
    score = mean_score("accuracy", [1, 0, 0, 1], [0.5, 0.5, 0.25, 0.25])
    assert score.value == 0.5
    assert score.n == 4
    assert score.baseline == 0.375
    assert score.stderr == pytest.approx(math.sqrt((4 * 0.25 / 3) / 4))


def test_one_question_has_no_standard_error() -> None:
    assert mean_score("accuracy", [1.0]).stderr is None


def test_no_question_is_absent_and_not_zero() -> None:
    score = mean_score("accuracy", [])
    assert score.value is None
    assert score.reason


def test_parts_weigh_alike_whatever_their_sizes() -> None:
    large, small = mean_score("a", [1.0] * 8 + [0.0] * 8), mean_score("b", [1.0, 1.0, 0.0, 1.0])
    both = macro_score("accuracy", [large, small])
    assert both.value == pytest.approx((0.5 + 0.75) / 2)
    assert both.n == 20
    assert large.stderr is not None
    assert small.stderr is not None
    assert both.stderr == pytest.approx(math.hypot(large.stderr, small.stderr) / 2)


def test_the_stable_score_is_the_mean_height_above_the_baselines() -> None:
    headlines = [
        Score(metric="accuracy", value=0.6, n=10, stderr=0.03, baseline=0.5),
        Score(metric="iou_accuracy", value=0.4, n=10, stderr=0.04, baseline=0.0),
    ]
    score, stable = suite_scores(headlines)
    assert (score.metric, stable.metric) == ("score", "stable_score")
    assert score.value == pytest.approx(0.5)
    assert score.baseline == pytest.approx(0.25)
    assert stable.value == pytest.approx(0.25)
    assert score.stderr == stable.stderr == pytest.approx(0.025)


def test_an_average_with_an_absent_part_is_absent_and_names_it() -> None:
    headlines = [
        Score(metric="accuracy", value=0.6, n=10, stderr=0.03, baseline=0.5),
        Score(metric="perplexity", value=None, n=10, reason="not measured"),
    ]
    for score in suite_scores(headlines):
        assert score.value is None
        assert "perplexity" in (score.reason or "")
