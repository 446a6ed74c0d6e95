"""A design foretells the interval that a study will have, and picks what narrows it most."""

import numpy as np
import pytest

from analysis.fits.design import (
    Candidates,
    additions,
    expected_half_width,
    quantity_of,
    simulated_half_width,
)
from analysis.laws.chinchilla import CHINCHILLA, optimal_params
from analysis.laws.law import Array
from orchestrator.errors import FitError

THETA = np.array([1.8, 480.0, 2000.0, 0.35, 0.37])
NOISE = 0.003


def grid(sizes: int = 5) -> Array:
    params, tokens = np.meshgrid(np.geomspace(1e7, 1e9, sizes), np.geomspace(1e9, 3e10, 5))
    return np.column_stack([params.ravel(), tokens.ravel()])


def candidates() -> Candidates:
    inputs = np.array([[1e7, 1e9], [3e9, 3e10], [1e7, 1e11], [1e9, 1e9]])
    hours = inputs.prod(axis=1) * 6 / 1e18
    return Candidates(inputs=inputs, hours=hours, labels=("small", "large", "long", "wide"))


@pytest.mark.parametrize("name", ["alpha", "beta", "a", "E"])
def test_the_expected_interval_is_that_of_simulated_studies(name: str) -> None:
    quantity = quantity_of(CHINCHILLA, name)
    expected = expected_half_width(CHINCHILLA, THETA, grid(), quantity, noise=NOISE, level=0.9)
    simulated = simulated_half_width(
        CHINCHILLA, THETA, grid(), quantity, np.random.default_rng(0), noise=NOISE, level=0.9
    )
    # 400 studies give the ends of 90 % to 6 %; the law is a little bent in its parameters.
    assert simulated == pytest.approx(expected, rel=0.15)


def test_the_first_addition_is_the_best_of_all_by_full_computation() -> None:
    choice = candidates()

    def width(inputs: Array) -> float:
        return expected_half_width(
            CHINCHILLA, THETA, inputs, lambda t: optimal_params(1e22, t), noise=NOISE, level=0.9
        )

    before = width(grid())
    gains = [
        (1 - width(np.vstack([grid(), row])) / before) / hours
        for row, hours in zip(choice.inputs, choice.hours, strict=True)
    ]
    first, *rest = additions(
        CHINCHILLA, THETA, grid(), lambda t: optimal_params(1e22, t), choice, noise=NOISE
    )
    assert first.label == choice.labels[int(np.argmax(gains))]
    assert first.narrowing_per_hour == pytest.approx(max(gains), rel=1e-4)
    widths = [first.half_width, *(item.half_width for item in rest)]
    assert widths == sorted(widths, reverse=True)


def test_a_dear_run_is_not_chosen_where_a_cheap_one_says_as_much() -> None:
    inputs = np.array([[3e9, 3e10], [3e9, 3e10]])
    choice = Candidates(inputs=inputs, hours=np.array([10.0, 1.0]), labels=("dear", "cheap"))
    found = additions(
        CHINCHILLA, THETA, grid(), quantity_of(CHINCHILLA, "alpha"), choice, noise=NOISE
    )
    assert {item.label for item in found} == {"cheap"}


def test_runs_on_one_size_determine_no_law() -> None:
    inputs = np.column_stack([np.full(8, 1e8), np.geomspace(1e9, 1e11, 8)])
    with pytest.raises(FitError, match="8 runs do not determine"):
        expected_half_width(
            CHINCHILLA, THETA, inputs, quantity_of(CHINCHILLA, "alpha"), noise=NOISE, level=0.9
        )


def test_an_unknown_quantity_is_refused_with_those_there_are() -> None:
    with pytest.raises(FitError, match="has no gamma") as caught:
        quantity_of(CHINCHILLA, "gamma")
    assert "alpha, beta, a, b" in caught.value.mend
