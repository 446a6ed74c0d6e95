"""Paired differences over questions."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from analysis.compare import gaps, interval, questions_needed
from orchestrator.errors import DataError


def answers(scores: dict[str, float | None], benchmark: str = "vqa") -> pd.DataFrame:
    return pd.DataFrame(
        {
            "benchmark": benchmark,
            "question_id": list(scores),
            "score": pd.Series(list(scores.values()), dtype=float),
        }
    )


def many(rng: np.random.Generator, n: int, right: float) -> dict[str, float | None]:
    return {str(i): float(rng.random() < right) for i in range(n)}


def test_only_questions_that_both_have_a_score_for_count() -> None:
    a = answers({"1": 1.0, "2": 0.0, "3": 0.6, "4": None})
    b = answers({"2": 1.0, "3": 0.6, "4": 1.0, "5": 1.0, "6": 0.0})
    (gap,) = gaps(a, b, np.random.default_rng(0))
    assert (gap.n, gap.only_a, gap.only_b) == (2, 1, 3)
    assert (gap.score_a, gap.score_b) == pytest.approx((0.3, 0.8))
    assert gap.difference == pytest.approx(0.5)


def test_pairing_sees_what_the_scores_apart_do_not() -> None:
    rng = np.random.default_rng(1)
    a = many(rng, 400, 0.5)
    b = {name: 1.0 if int(name) % 20 == 0 else score for name, score in a.items()}
    (gap,) = gaps(answers(a), answers(b), rng)
    assert not gap.is_noise
    assert gap.low > 0
    apart = many(rng, 400, 0.5)
    (other,) = gaps(answers(a), answers(apart), rng)
    assert other.high - other.low > 3 * (gap.high - gap.low)


def test_two_equally_good_models_differ_by_noise_nine_times_in_ten() -> None:
    rng = np.random.default_rng(2)
    noise = [
        gaps(answers(many(rng, 200, 0.6)), answers(many(rng, 200, 0.6)), rng)[0].is_noise
        for _ in range(200)
    ]
    assert 0.84 <= np.mean(noise) <= 0.96


def test_the_interval_is_that_of_resampled_questions() -> None:
    rng = np.random.default_rng(3)
    differences = rng.choice([-1.0, -0.3, 0.0, 0.3, 1.0], size=150)
    drawn = rng.choice(differences, size=(20_000, 150)).mean(axis=1)
    assert interval(differences, rng) == pytest.approx(np.quantile(drawn, (0.05, 0.95)), abs=0.005)


def test_more_questions_are_asked_for_where_the_gap_is_small() -> None:
    rng = np.random.default_rng(4)
    (gap,) = gaps(answers(many(rng, 300, 0.50)), answers(many(rng, 300, 0.53)), rng)
    needed = questions_needed(gap)
    assert needed is not None
    assert (needed > gap.n) == gap.is_noise


def test_the_same_answers_have_no_gap_and_none_to_be_found() -> None:
    same = answers({"1": 1.0, "2": 0.0})
    (gap,) = gaps(same, same, np.random.default_rng(0))
    assert (gap.difference, gap.low, gap.high, gap.is_noise) == (0, 0, 0, True)
    assert questions_needed(gap) is None


def test_questions_that_are_there_twice_and_nothing_in_common_are_refused() -> None:
    a = answers({"1": 1.0})
    with pytest.raises(DataError, match="twice"):
        gaps(pd.concat([a, a]), a, np.random.default_rng(0))
    with pytest.raises(DataError, match="no benchmark"):
        gaps(a, answers({"1": 1.0}, "gqa"), np.random.default_rng(0))
