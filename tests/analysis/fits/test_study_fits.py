"""A study's fits are written with their evidence; what cannot be fitted is recorded as refused."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.fits.losses import on_frontier, trunk_losses
from analysis.fits.record import Warn
from analysis.fits.study import LOSS_OF_FLOPS, LOSS_OF_PARAMS_AND_TOKENS, fit_study
from analysis.study import open_study
from orchestrator.store.files import read_json
from orchestrator.store.layout import StudyFolder

LAW = {"alpha": 0.35, "beta": 0.4}


@pytest.fixture(scope="module")
def records(study_folder: StudyFolder) -> dict[str, dict[str, object]]:
    fit_study(study_folder, np.random.default_rng(0))
    return {path.stem: read_json(path) for path in study_folder.fits.glob("*.json")}


def test_the_law_of_params_and_tokens_holds_the_truth(
    records: dict[str, dict[str, object]],
) -> None:
    record = records[LOSS_OF_PARAMS_AND_TOKENS]
    assert record["status"] == "fitted"
    found = {item["name"]: item for item in record["parameters"]}  # type: ignore[union-attr]
    for name, truth in LAW.items():
        assert found[name]["low"] <= truth <= found[name]["high"]


def test_a_fit_names_its_runs_estimator_and_selection(
    records: dict[str, dict[str, object]], study_folder: StudyFolder
) -> None:
    record = records[LOSS_OF_FLOPS]
    losses = trunk_losses(open_study(study_folder))
    frontier = losses["run_id"][on_frontier(losses)]
    assert set(record["run_ids"]) == set(frontier)  # type: ignore[arg-type]
    assert "frontier" in str(record["selection"])
    assert "Huber" in str(record["estimator"])
    assert record["code"] == ["abc1234"]
    assert record["certificate"]["converged"] is True  # type: ignore[index]


def test_the_best_use_of_the_largest_budget_and_every_back_test_are_recorded(
    records: dict[str, dict[str, object]],
) -> None:
    record = records[LOSS_OF_PARAMS_AND_TOKENS]
    best = {item["name"]: item for item in record["allocation_intervals"]}  # type: ignore[union-attr]
    assert best["N_opt"]["value"] == pytest.approx(record["allocation"]["params"])  # type: ignore[index]
    for item in best.values():
        assert item["low"] < item["value"] < item["high"]
    tests = record["backtests"]
    assert any("params > " in str(item) for item in tests)  # type: ignore[union-attr]
    assert any("params = " in str(item) for item in tests)  # type: ignore[union-attr]


def test_the_frontier_keeps_only_cells_that_no_cheaper_one_reaches() -> None:
    losses = pd.DataFrame(
        {
            "model": ["a", "a", "b", "b"],
            "tokens": [1.0, 2.0, 1.0, 2.0],
            "text_tokens": [2.0, 2.0, 2.0, 2.0],
            "flops": [1.0, 4.0, 3.0, 6.0],
            "value": [3.0, 2.5, 2.4, 2.0],
        }
    )
    assert on_frontier(losses).tolist() == [True, False, True, True]


def test_two_sizes_are_refused_and_recorded(
    build_study: Callable[..., StudyFolder],
) -> None:
    folder = build_study(models=("small", "middle"), seeds=(0,), arms=("timing",))
    fits = {item.task.name: item for item in fit_study(folder, np.random.default_rng(0))}
    assert fits[LOSS_OF_PARAMS_AND_TOKENS].fit is None
    record = read_json(folder.fits / f"{LOSS_OF_PARAMS_AND_TOKENS}.json")
    assert record["status"] == "refused"
    assert "2 model sizes" in record["refusal"]["what"]  # type: ignore[index]
    assert "parameters" not in record


def test_runs_of_another_code_version_are_named(study_folder: StudyFolder, tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path / "mixed")
    shutil.copytree(study_folder.path, folder.path)
    table = folder.tables / "results.parquet"
    rows = pd.read_parquet(table)
    losses = trunk_losses(open_study(folder))
    other = str(losses["run_id"].iloc[0])
    rows.loc[rows["run_id"] == other, "code"] = "fff9999"
    rows.to_parquet(table)
    made = {item.task.name: item for item in fit_study(folder, np.random.default_rng(0))}
    fitted = made[LOSS_OF_PARAMS_AND_TOKENS].fit
    assert fitted is not None
    (flag,) = [flag for flag in fitted.flags if flag.kind is Warn.SEVERAL_CODES]
    assert f"{other} by fff9999" in flag.detail
    assert f"{len(losses) - 1} of {len(losses)} runs by abc1234" in flag.detail
