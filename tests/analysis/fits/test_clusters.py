"""Points that share their noise are resampled together, by the column that a user names."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.fits.bootstrap import Bootstrap
from analysis.fits.points import clean_points
from analysis.fits.study import LOSS_OF_PARAMS_AND_TOKENS, fit_study
from analysis.fitting import fit
from analysis.laws.power_law import power_law
from orchestrator.errors import FitError
from orchestrator.store.files import read_json
from orchestrator.store.layout import StudyFolder

SEEDS = 8
POWER = power_law("tokens")
FEW = Bootstrap(replicates=300)


def table(shared: float) -> pd.DataFrame:
    """Losses of eight seeds at six budgets; what a seed is off by is the same at all of them."""
    rng = np.random.default_rng(3)
    seed, tokens = np.meshgrid(np.arange(SEEDS), np.geomspace(1e9, 1e11, 6))
    noise = shared * rng.standard_normal(SEEDS)[seed] + 0.001 * rng.standard_normal(seed.shape)
    loss = (1.8 + 2000 / tokens**0.37) * np.exp(noise)
    return pd.DataFrame({"seed": seed.ravel(), "tokens": tokens.ravel(), "value": loss.ravel()})


def width(cluster: str | None) -> float:
    """Return the width of the interval of the law at 10 G tokens."""
    made = fit(table(0.01), POWER, intervals=FEW, cluster=cluster)
    (low,), (high,) = made.band(np.array([[1e10]])) or ([0.0], [0.0])
    return float(high - low)


def test_noise_that_a_seed_s_losses_share_widens_the_interval() -> None:
    # 48 points stand for 8 independent ones: the standard error is up to sqrt(6) times as large.
    assert 1.4 < width("seed") / width(None) < 4


def test_a_fit_says_by_what_it_was_clustered() -> None:
    record: Any = fit(table(0.01), POWER, intervals=FEW, cluster="seed").plain()
    assert record["interval"]["clustered_by"] == "seed"
    assert "of 8 clusters by seed of 48 points" in record["interval"]["method"]


def test_a_column_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(FitError, match="no column size to cluster by") as caught:
        fit(table(0.01), POWER, cluster="size")
    assert "seed, tokens, value" in caught.value.where


def test_rows_without_a_cluster_are_refused() -> None:
    frame = table(0.01)
    frame["seed"] = frame["seed"].astype(float)
    frame.loc[frame.index[4], "seed"] = np.nan
    with pytest.raises(FitError, match="seed is empty in 1 of 48 rows"):
        fit(frame, POWER, cluster="seed")


def test_fewer_clusters_than_five_are_refused() -> None:
    frame = table(0.01)
    with pytest.raises(FitError, match="4 of the 5 clusters by seed"):
        fit(frame[frame["seed"] < 4], POWER, cluster="seed")


def test_points_are_not_clustered_by_a_column() -> None:
    frame = table(0.01)
    values = frame[["tokens"]].to_numpy(float), frame["value"].to_numpy(float)
    points = clean_points(*values, [str(row) for row in frame.index])
    with pytest.raises(FitError, match="points have no column seed"):
        fit(points, POWER, cluster="seed")


def test_a_study_is_fitted_by_seeds_or_refused_by_sizes(
    build_study: Callable[..., StudyFolder],
) -> None:
    folder = build_study(seeds=tuple(range(6)), arms=("timing",))
    path = folder.fits / f"{LOSS_OF_PARAMS_AND_TOKENS}.json"
    by_trunk, by_seed, by_size = (
        (fit_study(folder, np.random.default_rng(0), cluster=name), read_json(path))[1]
        for name in (None, "seed", "params")
    )
    assert by_trunk["interval"]["clustered_by"] == "trunk"  # type: ignore[index]
    assert "of 6 clusters by seed of 72 points" in by_seed["interval"]["method"]  # type: ignore[index]
    assert [flag["detail"] for flag in by_seed["flags"]] == ["6 clusters"]  # type: ignore[index, union-attr]
    assert by_size["status"] == "refused"
    assert "3 of the 5 clusters by params" in by_size["refusal"]["what"]  # type: ignore[index]
    with pytest.raises(FitError, match="no column colour"):
        fit_study(folder, np.random.default_rng(0), cluster="colour")
