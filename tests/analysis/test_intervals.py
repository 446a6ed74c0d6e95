"""Means carry the interval that their repetition allows."""

import pytest
from scipy import stats

from analysis.intervals import mean_over, share_of


def test_repeated_values_get_students_interval() -> None:
    values = [0.5, 0.6, 0.55]
    found = mean_over(values, [0.01] * 3, "seeds")
    low, high = stats.t.interval(0.9, 2, loc=found.value, scale=stats.sem(values))
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))
    assert found.method == "t interval over 3 seeds"


def test_a_single_value_has_the_error_of_its_questions() -> None:
    found = mean_over([0.5], [0.01], "seeds")
    assert found.low == pytest.approx(0.5 - 1.6448536 * 0.01)
    assert "questions" in found.method


@pytest.mark.parametrize("error", [None, float("nan")])
def test_a_single_value_without_error_has_no_interval(error: float | None) -> None:
    found = mean_over([0.5], [error], "seeds")
    assert found.low is None
    assert found.high is None


def test_a_share_of_all_is_not_certain() -> None:
    found = share_of(10, 10, "pairs")
    assert found.value == 1
    assert found.low is not None
    assert 0.7 < found.low < 0.9
