"""The laws say what their equations say, and spend a budget at the optimum."""

import numpy as np
import pytest

from analysis.laws import chinchilla
from analysis.laws.chinchilla import (
    CHINCHILLA,
    best_allocation,
    has_best_allocation,
    optimal_loss,
    optimal_params,
    optimal_tokens,
)
from analysis.laws.power_law import loss as power_law_loss
from analysis.laws.power_law import power_law

VALUES = {"E": 1.8, "A": 480.0, "B": 2100.0, "alpha": 0.35, "beta": 0.37}
PARAMS = np.array([1e8, 1e9, 1e10])
TOKENS = np.array([1e9, 2e10, 3e11])


def test_the_power_law_of_the_engine_is_its_equation() -> None:
    x = np.geomspace(1e12, 1e20, 9)
    predicted = power_law("flops").predict(np.array([1.5, 300.0, 0.12]), x[:, None])
    np.testing.assert_allclose(predicted, power_law_loss(x, E=1.5, A=300.0, alpha=0.12), rtol=1e-13)


def test_the_chinchilla_law_of_the_engine_is_its_equation() -> None:
    theta = np.array([VALUES[name] for name in CHINCHILLA.parameters])
    predicted = CHINCHILLA.predict(theta, np.column_stack([PARAMS, TOKENS]))
    expected = chinchilla.loss(PARAMS, TOKENS, values=VALUES)
    np.testing.assert_allclose(predicted, expected, rtol=1e-13)


@pytest.mark.parametrize("flops", [1e18, 5.76e23])
def test_no_other_split_of_a_budget_reaches_the_best_allocation(flops: float) -> None:
    best = best_allocation(flops, VALUES)
    assert 6 * best.params * best.tokens == pytest.approx(flops, rel=1e-12)
    params = best.params * np.geomspace(0.2, 5, 401)
    others = chinchilla.loss(params, flops / 6 / params, values=VALUES)
    assert best.loss <= others.min() * (1 + 1e-12)


def test_the_exponents_of_the_best_allocation_add_up_to_one() -> None:
    theta = np.array([VALUES[name] for name in CHINCHILLA.parameters])
    derived = CHINCHILLA.derived(theta)
    assert derived["a"] + derived["b"] == pytest.approx(1)
    small, large = best_allocation(1e20, VALUES), best_allocation(1e22, VALUES)
    slope = np.log(large.params / small.params) / np.log(100)
    assert derived["a"] == pytest.approx(slope, rel=1e-12)


def test_a_law_that_does_not_fall_has_no_best_allocation() -> None:
    good = np.array([[1.0, 400.0, 400.0, 0.3, 0.3]])
    laws = np.repeat(good, 5, axis=0)
    laws[1, 1] = laws[2, 2] = 0.0  # A, B
    laws[3, 3] = laws[4, 4] = -0.1  # alpha, beta
    assert has_best_allocation(laws).tolist() == [True, False, False, False, False]
    for optimal in (optimal_params, optimal_tokens, optimal_loss):
        assert np.isfinite(optimal(1e20, laws)).tolist() == [True, False, False, False, False]
    params = best_allocation(1e20, dict(zip(CHINCHILLA.parameters, good[0], strict=True))).params
    assert optimal_params(1e20, good)[0] == pytest.approx(params)
