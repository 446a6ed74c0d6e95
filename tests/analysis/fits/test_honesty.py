"""A fit says what it hangs on, how far it reaches and what its points cannot tell."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from analysis.fits.backtest import Backtest, grow, hold_out_each
from analysis.fits.bootstrap import Bootstrap
from analysis.fits.engine import fit
from analysis.fits.estimator import LEAST_SQUARES
from analysis.fits.flags import flags
from analysis.fits.points import Points, clean_points
from analysis.fits.record import Fit, Warn
from analysis.fits.sensitivity import by_estimator, influences
from analysis.fitting import fit as fit_frame
from analysis.laws.chinchilla import CHINCHILLA, loss
from analysis.laws.law import Array
from analysis.laws.mixture import mixture_law
from analysis.laws.power_law import power_law
from orchestrator.errors import FitError

TRUTH = {"E": 1.8, "A": 480.0, "B": 2000.0, "alpha": 0.35, "beta": 0.37}


def points_at(params: Array, tokens: Array, noise: float = 0.003) -> Points:
    clean = loss(params, tokens, values=TRUTH)
    observed = clean * np.exp(noise * np.random.default_rng(0).standard_normal(len(clean)))
    labels = [f"run {i}" for i in range(len(clean))]
    return clean_points(np.column_stack([params, tokens]), observed, labels)


def grid(sizes: int = 6) -> Points:
    params, tokens = np.meshgrid(np.geomspace(1e7, 3e9, sizes), np.geomspace(1e9, 1e11, 6))
    return points_at(params.ravel(), tokens.ravel())


def fitted(points: Points) -> Fit:
    return fit(CHINCHILLA, points, np.random.default_rng(0))


def test_models_of_one_token_multiplier_are_flagged_as_one_ray() -> None:
    params = np.geomspace(1e7, 3e9, 12)
    made = fitted(points_at(params, 20 * params, noise=3e-4))
    details = {flag.kind: flag.detail for flag in made.flags}
    assert details[Warn.ONE_RAY] == "tokens follows from params at every point"


def test_a_ray_on_which_an_exponent_runs_away_is_refused_as_one() -> None:
    params = np.geomspace(1e7, 3e9, 12)
    # One of the two terms fits the noise of the least model alone, as it does at any exponent.
    with pytest.raises(FitError, match=r"(alpha|beta) ran to 10, the edge of its range") as caught:
        fitted(points_at(params, 20 * params))
    assert caught.value.where.endswith("12 points: tokens follows from params at every point")


def test_a_parameter_that_many_resamples_have_at_its_bound_is_flagged() -> None:
    params, tokens = np.meshgrid(np.geomspace(1e7, 1e9, 3), np.geomspace(1e9, 3e10, 4))
    points = points_at(params.ravel(), tokens.ravel(), noise=0.02)
    how = Bootstrap(replicates=100)
    made = fit(CHINCHILLA, points, np.random.default_rng(0), intervals=how)
    assert made.values["E"] > 0
    count = int((made.replicates[:, 0] == 0).sum())
    assert count > 5
    details = {flag.detail for flag in made.flags if flag.kind is Warn.AT_BOUND}
    assert f"E is 0 in {count} of 100 resamples" in details
    assert not any("A is" in detail for detail in details)


def test_a_grid_is_no_ray() -> None:
    assert Warn.ONE_RAY not in {flag.kind for flag in fitted(grid()).flags}


def test_an_ill_conditioned_fit_names_the_direction_that_is_free() -> None:
    tokens = np.geomspace(1e9, 1e11, 9)
    made = fitted(points_at(np.full_like(tokens, 1e8), tokens))
    detail = next(flag.detail for flag in made.flags if flag.kind is Warn.ILL_CONDITIONED)
    assert "alpha" in detail
    assert sum(part**2 for _, part in made.certificate.direction) == pytest.approx(1, abs=0.05)


def test_shares_and_epochs_extrapolate_by_their_distance_from_what_was_measured() -> None:
    share = np.linspace(0, 0.5, 6)
    frame = pd.DataFrame({"image_ratio": share, "value": 3 - np.exp(-2 * share)})
    law = mixture_law("image_ratio")
    from_0 = fit_frame(frame, law, intervals=None)
    asked = np.array([[0.0], [0.5], [1.0]])
    assert from_0.extrapolation(asked).tolist() == [1, 1, 2]
    from_0_1 = fit_frame(frame.iloc[1:], law, intervals=None)
    assert from_0_1.extrapolation(asked) == pytest.approx([1.25, 1, 2.25])


def test_a_prediction_says_how_far_it_extrapolates() -> None:
    points = grid()
    made = fit(CHINCHILLA, points, np.random.default_rng(0), intervals=Bootstrap(replicates=100))
    inside, above, below = made.prediction(np.array([[1e8, 1e10], [3e10, 1e10], [1e8, 1e8]]))
    assert inside.extrapolation == 1
    assert above.extrapolation == pytest.approx(10)
    assert below.extrapolation == pytest.approx(10)
    for item in (inside, above, below):
        assert item.low is not None
        assert item.high is not None
        assert item.low < item.value < item.high


def test_each_size_is_held_out_in_turn() -> None:
    points = grid()
    results = hold_out_each(CHINCHILLA, points, points.inputs[:, 0], name="params")
    assert len(results) == 6
    for item in results:
        assert isinstance(item, Backtest)
        assert item.points == 6
        assert item.mean_absolute_error < 0.02


def test_a_growing_budget_predicts_better_and_refuses_where_it_is_too_small() -> None:
    params = np.repeat(np.geomspace(1e7, 3e9, 8), 2)
    tokens = params * np.tile([5.0, 80.0], 8)
    points = points_at(params, tokens, noise=0.001)
    results = grow(CHINCHILLA, points, params, name="params")
    assert isinstance(results[0], FitError)
    assert "params > 1e+07" in results[0].where
    made = [item for item in results if isinstance(item, Backtest)]
    assert made[-1].mean_absolute_error < 0.01
    assert made[0].extrapolation > made[-1].extrapolation


def test_the_outlier_is_the_most_influential_point() -> None:
    points = grid()
    observed = points.observed.copy()
    observed[17] *= 1.3
    spoiled = Points(inputs=points.inputs, observed=observed, labels=points.labels)
    first, second, *_ = influences(CHINCHILLA, spoiled, LEAST_SQUARES)
    assert first.label == "run 17"
    assert first.largest > 2 * second.largest


def test_an_exponent_that_nothing_moves_is_flagged() -> None:
    points = grid()
    made = fitted(points)
    theta = np.array([item.value for item in made.parameters])
    stuck = replace(made.certificate, at_start=("beta",))
    found = flags(CHINCHILLA, points, theta, stuck, None)
    assert [flag.detail for flag in found] == ["beta did not move from its start"]


def test_observations_that_never_change_are_refused() -> None:
    x = np.geomspace(1e15, 1e20, 10)
    points = clean_points(x[:, None], np.full(10, 2.0), [str(i) for i in range(10)])
    with pytest.raises(FitError, match="all 10 observations are 2"):
        fit(power_law("flops"), points, np.random.default_rng(0))


def test_squares_hang_on_an_outlier_and_deviations_do_not() -> None:
    points = grid()
    observed = points.observed.copy()
    observed[0] *= 1.3
    spoiled = Points(inputs=points.inputs, observed=observed, labels=points.labels)
    shifts = [
        abs(by_estimator(CHINCHILLA, spoiled)[name]["alpha"] - values["alpha"])
        for name, values in by_estimator(CHINCHILLA, points).items()
    ]
    assert shifts[-1] > 10 * shifts[0]
