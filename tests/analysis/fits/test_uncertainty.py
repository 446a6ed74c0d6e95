"""Replicates sit at their own optimum; intervals hold the truth as often as they say."""

from typing import Any

import numpy as np
import pytest
from scipy import optimize

from analysis.fits.bootstrap import (
    Bootstrap,
    Resample,
    bootstrap,
    resample_observed,
    resample_weights,
)
from analysis.fits.descent import descend
from analysis.fits.engine import find_optimum, fit
from analysis.fits.estimator import HUBER, LEAST_ABSOLUTE, LEAST_SQUARES, Estimator
from analysis.fits.interval import Ends, ends_of
from analysis.fits.points import Points, clean_points
from analysis.fits.problem import Problem
from analysis.fits.profile import profile_interval
from analysis.fits.refit import refit
from analysis.fits.screen import screened_starts
from analysis.laws.chinchilla import (
    CHINCHILLA,
    loss,
    optimal_loss,
    optimal_params,
    optimal_tokens,
)
from orchestrator.errors import ConfigError

TRUTH = {"E": 1.8, "A": 480.0, "B": 2000.0, "alpha": 0.35, "beta": 0.37}
STUDIES = 200
NOISE = 0.004


def study_points(seed: int, noise_scale: float = NOISE) -> Points:
    """Six sizes x six budgets on a known law, with log-normal noise."""
    params, tokens = np.meshgrid(np.geomspace(1e7, 3e9, 6), np.geomspace(1e9, 1e11, 6))
    inputs = np.column_stack([params.ravel(), tokens.ravel()])
    noise = noise_scale * np.random.default_rng(seed).standard_normal(36)
    observed = loss(inputs[:, 0], inputs[:, 1], values=TRUTH) * np.exp(noise)
    return clean_points(inputs, observed, [str(i) for i in range(36)])


def huber_sum(theta: np.ndarray[Any, Any], points: Points, weights: np.ndarray[Any, Any]) -> float:
    """Return the objective, written out, of (log E, log A, log B, alpha, beta)."""
    params, tokens = np.log(points.inputs).T
    terms = np.stack(
        [
            np.full_like(params, theta[0]),
            theta[1] - theta[3] * params,
            theta[2] - theta[4] * tokens,
        ]
    )
    size = np.abs(np.logaddexp.reduce(terms) - np.log(points.observed))
    return float(weights @ np.where(size <= 1e-3, size**2 / 2, 1e-3 * (size - 5e-4)))


def test_every_replicate_ends_at_its_own_optimum(chinchilla_points: Points) -> None:
    how = Bootstrap(replicates=100)
    problem = Problem(CHINCHILLA, chinchilla_points, HUBER)
    optima = find_optimum(problem, chinchilla_points).theta
    made = bootstrap(problem, chinchilla_points, optima, how, np.random.default_rng(3))
    weights = resample_weights(chinchilla_points, 100, np.random.default_rng(3))
    assert made.method.failed == 0
    for row in range(0, 100, 10):
        natural = made.parameters[row]
        theta = np.array([*np.log(natural[:3]), *natural[3:]])
        own = huber_sum(theta, chinchilla_points, weights[row])
        best = own
        for scale in (1e-3, 0.05):
            start = theta * (1 + scale * np.random.default_rng(row).standard_normal(5))
            found = optimize.minimize(
                huber_sum,
                start,
                (chinchilla_points, weights[row]),
                "Nelder-Mead",
                options={"xatol": 1e-10, "fatol": 1e-16, "maxiter": 3000, "maxfev": 3000},
            )
            best = min(best, float(found.fun))
        assert own <= best * (1 + 1e-9)


@pytest.mark.parametrize("estimator", [HUBER, LEAST_SQUARES, LEAST_ABSOLUTE])
def test_no_start_leads_a_replicate_to_a_lower_objective(
    chinchilla_points: Points, estimator: Estimator
) -> None:
    problem = Problem(CHINCHILLA, chinchilla_points, estimator)
    count = 20 if estimator is LEAST_ABSOLUTE else 100
    weights = resample_weights(chinchilla_points, count, np.random.default_rng(3))
    made = refit(problem, find_optimum(problem, chinchilla_points).theta, weights)
    assert len(made) == count
    own = estimator.objective(problem.residuals(made), weights)
    rng = np.random.default_rng(4)
    nearby = [made * (1 + scale * rng.standard_normal(made.shape)) for scale in (0.01, 0.3)]
    screened = [np.repeat(one[None], count, axis=0) for one in screened_starts(problem, 8)]
    for starts in (*screened, *nearby):
        found = descend(problem, starts, weights)
        other = estimator.objective(problem.residuals(found.theta), weights)
        assert (own <= other * (1 + 1e-9)).all()


def test_few_noisy_points_do_not_keep_a_replicate_from_its_optimum() -> None:
    points = study_points(1, 0.03)  # with many local optima: 30 times the width of the Huber loss
    problem = Problem(CHINCHILLA, points, HUBER)
    weights = resample_weights(points, 300, np.random.default_rng(7))
    made = refit(problem, find_optimum(problem, points).theta, weights)
    own = HUBER.objective(problem.residuals(made), weights)
    for start in screened_starts(problem, 16):
        found = descend(problem, np.repeat(start[None], 300, axis=0), weights)
        other = HUBER.objective(problem.residuals(found.theta), weights)
        assert (own <= other * (1 + 1e-9)).all()


FEW = [
    (3, 4, 0.005, Resample.PAIRS),
    (3, 4, 0.02, Resample.PAIRS),
    (3, 4, 0.02, Resample.RESIDUALS),
    (3, 3, 0.02, Resample.PAIRS),
    (4, 2, 0.02, Resample.PAIRS),
]
"""Sizes, budgets and noise of small studies, of 8 to 12 losses, and what is drawn anew."""


def few_points(sizes: int, budgets: int, noise: float) -> Points:
    params, tokens = np.meshgrid(np.geomspace(1e7, 1e9, sizes), np.geomspace(1e9, 3e10, budgets))
    inputs = np.column_stack([params.ravel(), tokens.ravel()])
    away = noise * np.random.default_rng(0).standard_normal(len(inputs))
    observed = loss(inputs[:, 0], inputs[:, 1], values=TRUTH) * np.exp(away)
    return clean_points(inputs, observed, [str(i) for i in range(len(inputs))])


@pytest.mark.parametrize("estimator", [HUBER, LEAST_SQUARES, LEAST_ABSOLUTE])
@pytest.mark.parametrize(("sizes", "budgets", "noise", "resample"), FEW)
def test_a_dozen_points_leave_no_replicate_above_its_optimum(
    sizes: int, budgets: int, noise: float, resample: Resample, estimator: Estimator
) -> None:
    """Optima at bounds count: E = 0, or a term so steep that it is that of the least scale alone.

    Reference: wherever 8 random starts lead, and where 8 other replicates ended.
    """
    points = few_points(sizes, budgets, noise)
    problem = Problem(CHINCHILLA, points, estimator)
    optima = find_optimum(problem, points).theta
    rng = np.random.default_rng(7)
    weights, observed = np.ones((100, len(points))), None
    if resample is Resample.RESIDUALS:
        observed = resample_observed(problem, points, optima[0], 100, rng)
    else:
        weights = resample_weights(points, 100, rng)
        weights = weights[(weights > 0).sum(axis=1) >= 5]
    made = refit(problem, optima, weights, observed)
    assert len(made) == len(weights)
    own = estimator.objective(problem.residuals(made, observed), weights)
    for turn in range(16):
        starts = made[rng.permutation(len(made))]
        if turn % 2:
            starts = np.concatenate(
                [rng.dirichlet(np.ones(3), len(made)), 10 ** rng.uniform(-2, 0.7, (len(made), 2))],
                axis=1,
            )
        found = descend(problem, starts, weights, observed)
        other = estimator.objective(problem.residuals(found.theta, observed), weights)
        # The residuals of least absolute deviations are 0 at some points, and stay so.
        is_exact = estimator is LEAST_ABSOLUTE and resample is Resample.RESIDUALS
        # Where as many points as parameters are drawn, the law goes through all of them.
        assert (own <= other * (1 + (3e-9 if is_exact else 1e-9)) + 1e-14).all()


@pytest.mark.parametrize("ends", list(Ends))
def test_ninety_percent_intervals_hold_the_truth_in_nine_studies_of_ten(ends: Ends) -> None:
    how = Bootstrap(replicates=200, resample=Resample.RESIDUALS, ends=ends)
    truth = {"alpha": 0.35, "beta": 0.37, "E": 1.8, "a": 0.37 / 0.72}
    held = dict.fromkeys(truth, 0)
    for seed in range(STUDIES):
        made = fit(
            CHINCHILLA,
            study_points(seed),
            np.random.default_rng(seed),
            estimator=LEAST_SQUARES,
            intervals=how,
        )
        for item in (*made.parameters, *made.derived):
            if item.name in truth and item.low is not None and item.high is not None:
                held[item.name] += item.low <= truth[item.name] <= item.high
    for name, count in held.items():
        assert 0.85 <= count / STUDIES <= 0.95, (name, count)


def test_the_profile_holds_the_truth_in_nine_studies_of_ten() -> None:
    held = 0
    for seed in range(60):
        found = profile_interval(CHINCHILLA, study_points(seed), "alpha")
        assert found.low is not None
        assert found.high is not None
        held += found.low <= TRUTH["alpha"] <= found.high
    # Of 60 intervals of 90 %, fewer than 47 hold the truth with a chance of 0.3 %.
    assert held >= 47


@pytest.mark.parametrize("name", CHINCHILLA.parameters)
def test_a_profile_is_about_as_wide_as_the_bootstrap_of_the_same_parameter(name: str) -> None:
    points = study_points(1)
    how = Bootstrap(replicates=500, resample=Resample.RESIDUALS)
    made = fit(CHINCHILLA, points, np.random.default_rng(0), estimator=LEAST_SQUARES, intervals=how)
    other = next(item for item in made.parameters if item.name == name)
    found = profile_interval(CHINCHILLA, points, name)
    assert found.low is not None
    assert found.high is not None
    assert other.low is not None
    assert other.high is not None
    assert found.low < found.value < found.high
    ratio = (found.high - found.low) / (other.high - other.low)
    assert 0.7 < ratio < 1.5  # 500 replicates give ends to about 10 %


def test_a_profile_by_a_robust_estimator_is_refused() -> None:
    with pytest.raises(ConfigError, match="no profile of alpha by Huber"):
        profile_interval(CHINCHILLA, study_points(0), "alpha", estimator=HUBER)


def test_a_whole_cluster_of_residuals_changes_sign_together() -> None:
    plain = study_points(0)
    sizes = tuple(f"{size:.3g}" for size in plain.inputs[:, 0])
    points = Points(
        inputs=plain.inputs, observed=plain.observed, labels=plain.labels, clusters=sizes
    )
    how = Bootstrap(replicates=100, resample=Resample.RESIDUALS)
    made = fit(CHINCHILLA, points, np.random.default_rng(0), intervals=how)
    assert made.interval is not None
    assert made.interval.method == "percentile residual bootstrap of 6 clusters of 36 points"


def test_bca_of_a_skew_statistic_is_that_of_scipy() -> None:
    from scipy import stats

    data = np.random.default_rng(2).exponential(size=40)
    drawn = np.var(data[np.random.default_rng(0).integers(0, 40, (9999, 40))], axis=1)
    left_out = np.array([np.var(np.delete(data, i)) for i in range(40)], dtype=np.float64)
    ours = ends_of(drawn, 0.9, value=float(np.var(data)), jackknife=left_out)
    theirs = stats.bootstrap(
        (data,), np.var, confidence_level=0.9, method="BCa", rng=np.random.default_rng(1)
    ).confidence_interval
    # Both have the noise of 9,999 draws.
    assert ours == pytest.approx((theirs.low, theirs.high), rel=0.05)


def test_the_best_use_of_a_budget_has_an_interval(chinchilla_points: Points) -> None:
    made = fit(
        CHINCHILLA,
        chinchilla_points,
        np.random.default_rng(0),
        intervals=Bootstrap(replicates=200),
    )
    for function, published in (
        (optimal_params, 97179153543.3499),
        (optimal_tokens, 1715045465922.0674),
        (optimal_loss, 1.9592192782111095),
    ):
        found = made.quantity("at 1e24", lambda theta, f=function: f(1e24, theta))
        assert found.value == pytest.approx(published, rel=1e-4)
        assert found.low is not None
        assert found.high is not None
        assert found.low < found.value < found.high


@pytest.mark.parametrize("ends", list(Ends))
@pytest.mark.parametrize(("lost", "is_given"), [(4, True), (40, False)])
def test_a_quantity_that_few_replicates_lack_keeps_its_interval(
    chinchilla_points: Points, ends: Ends, lost: int, is_given: bool
) -> None:
    made = fit(
        CHINCHILLA,
        chinchilla_points,
        np.random.default_rng(0),
        intervals=Bootstrap(replicates=200, ends=ends),
    )
    least = np.sort(made.replicates[:, 3])[lost]
    whole = made.quantity("alpha", lambda theta: theta[..., 3])
    found = made.quantity(
        "alpha", lambda theta: np.where(theta[..., 3] < least, np.nan, theta[..., 3])
    )
    assert found.value == whole.value
    assert (found.low is not None, found.high is not None) == (is_given, is_given)
    if is_given:
        assert (found.low, found.high) == pytest.approx((whole.low, whole.high), rel=0.05)
