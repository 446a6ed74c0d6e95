"""The laws of Gadre et al. give their published coefficients and errors on their published runs."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis.fits.bootstrap import Bootstrap, Resample
from analysis.fits.chain import Chained, chain
from analysis.fits.engine import fit
from analysis.fits.estimator import Estimator, Loss, Residual
from analysis.fits.points import clean_points
from analysis.fits.record import Fit
from analysis.laws.overtraining import OVERTRAINING
from analysis.laws.saturation import DOWNSTREAM_ERROR
from orchestrator.errors import FitError

DATA = Path(__file__).parents[1] / "data"
EXPECTED: dict[str, Any] = json.loads((DATA / "gadre_expected.json").read_text())["fits"]
RAW_SQUARES = Estimator(loss=Loss.SQUARES, residual=Residual.RAW)
INTERVALS = Bootstrap(replicates=200, resample=Resample.RESIDUALS)


def loss_fit(case: dict[str, Any], intervals: Bootstrap | None = None) -> Fit:
    points = case["loss_points"]
    params = np.array(points["params"])
    inputs = np.column_stack([params, params * np.array(points["mults"])])
    labels = [str(i) for i in range(len(params))]
    return fit(
        OVERTRAINING,
        clean_points(inputs, np.array(points["loss"]), labels),
        np.random.default_rng(0),
        estimator=RAW_SQUARES,
        intervals=intervals,
    )


def error_fit(case: dict[str, Any], intervals: Bootstrap | None = None) -> Fit:
    points = case["error_points"]
    losses = np.array(points["loss"])
    return fit(
        DOWNSTREAM_ERROR,
        clean_points(losses[:, None], np.array(points["error"]), [str(i) for i in range(6)]),
        np.random.default_rng(1),
        estimator=RAW_SQUARES,
        intervals=intervals,
    )


@pytest.mark.parametrize("name", list(EXPECTED))
def test_the_published_coefficients_come_out(name: str) -> None:
    case = EXPECTED[name]
    law, error = loss_fit(case), error_fit(case)
    expected = case["loss_law"]
    for ours, theirs in (("E", "E"), ("a", "a_paper"), ("b", "b_paper"), ("eta", "eta")):
        assert law.values[ours] == pytest.approx(expected[theirs], rel=1e-3)
    for key, value in case["error_law"].items():
        assert error.values[key] == pytest.approx(value, rel=1e-3)
    # The objective is half the sum of squares, and no worse than the published optimum's.
    assert 2 * law.certificate.objective <= case["loss_sse"] * (1 + 1e-6)
    assert 2 * error.certificate.objective <= case["error_sse"] * (1 + 1e-6)


@pytest.mark.parametrize("name", list(EXPECTED))
def test_the_published_errors_of_prediction_come_out(name: str) -> None:
    case = EXPECTED[name]
    law, error = loss_fit(case), error_fit(case)
    for row in case["predictions"]:
        loss = law.predict(np.array([[row["N"], row["N"] * row["M"]]]))
        assert abs(loss[0] / row["loss_obs"] - 1) == pytest.approx(row["loss_rel"], abs=1e-5)
        reached = error.predict(loss[:, None])[0]
        assert abs(reached / row["err_obs"] - 1) == pytest.approx(row["err_rel"], abs=1e-5)


def chained(case: dict[str, Any]) -> Chained:
    row = case["predictions"][-1]
    inputs = np.array([[row["N"], row["N"] * row["M"]]])
    return chain(
        loss_fit(case, INTERVALS), error_fit(case, INTERVALS), inputs, np.random.default_rng(2)
    )


def test_a_two_step_prediction_carries_the_uncertainty_of_both_laws() -> None:
    case = EXPECTED["rpj|avg_subset"]
    row = case["predictions"][-1]
    found = chained(case)
    assert found.value[0] == pytest.approx(row["err_pred"], rel=1e-4)
    assert found.low[0] < row["err_obs"] < found.high[0]
    assert found.extrapolation[0] > 10
    error = error_fit(case, INTERVALS)
    band = error.band(np.array([[row["loss_pred"]]]))
    assert band is not None
    assert found.high[0] - found.low[0] > band[1][0] - band[0][0]


def test_laws_without_replicates_are_not_chained() -> None:
    case = EXPECTED["rpj|avg"]
    with pytest.raises(FitError, match="cannot be chained"):
        chain(loss_fit(case), error_fit(case), np.ones((1, 2)), np.random.default_rng(0))
