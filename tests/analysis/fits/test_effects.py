"""Curves over single axes find what the made-up models do, and are refused without the places."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from analysis.fits import effects
from analysis.fits.effects import EffectFit, fit_effects
from analysis.study import open_study
from orchestrator.store.files import read_json
from orchestrator.store.layout import StudyFolder
from tests.analysis.made_results import Effects, made_study, small_paper

ARMS = ("ratio_after_text", "timing", "epochs")
RATIOS = [0, "5%", "10%", "20%", "30%"]


def study(folder: Path, ratios: list[Any], **fields: Any) -> StudyFolder:
    """Three arms of the paper's study, with other ratios."""
    path = small_paper(folder)
    tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    tree["arms"] = {name: tree["arms"][name] for name in ARMS}
    tree["arms"]["ratio_after_text"]["axes"]["image_ratio"] = ratios
    tree["arms"]["timing"]["axes"]["cooldown_point"] = ["20%", "40%", "60%", "80%", "100%"]
    tree["arms"]["epochs"]["axes"]["epochs"] = [0, 1, 2, 3, 4]
    path.write_text(yaml.safe_dump(tree, sort_keys=False), encoding="utf-8")
    return made_study(path, folder, **fields)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> StudyFolder:
    return study(tmp_path_factory.mktemp("effects"), RATIOS, effects=Effects(best_ratio=0.15))


def fitted(folder: StudyFolder) -> dict[str, EffectFit]:
    return {item.effect.name: item for item in fit_effects(folder, np.random.default_rng(0))}


def test_the_best_ratio_is_where_the_models_have_it(made: StudyFolder) -> None:
    best = fitted(made)["vision_of_image_ratio"]
    optimum = best.values[0]
    assert optimum.low is not None
    assert optimum.high is not None
    assert optimum.low < 0.15 < optimum.high
    assert optimum.value == pytest.approx(0.15, abs=0.05)
    assert len(best.run_ids) > len(RATIOS)  # several models


def test_the_best_cooldown_point_is_inside_and_epochs_near_a_ceiling(made: StudyFolder) -> None:
    found = fitted(made)
    point = found["vision_of_cooldown_point"].values[0]
    assert 0.5 < point.value < 1
    epochs = found["vision_of_epochs"]
    assert not epochs.dropped  # models without fine-tuning, after 0 epochs, count too
    assert {value.name for value in epochs.values} >= {"ceiling", "gap", "rate"}
    rates = {value.name: value.value for value in epochs.values}
    assert rates["rate"] > 1  # untuned models lie below 1 - exp(-epochs)


def test_every_effect_is_written_fitted_or_refused(made: StudyFolder) -> None:
    for name, item in fitted(made).items():
        record = read_json(made.fits / f"{name}.json")
        assert record["status"] == ("refused" if item.refusal else "fitted")
        assert record["name"] == name


def test_the_critical_ratio_is_where_the_text_loss_has_risen_by_the_tolerance(
    tmp_path: Path,
) -> None:
    folder = study(tmp_path, RATIOS)
    assert fitted(folder)["text_loss_of_image_ratio"].refusal is not None  # nothing measured it
    table = folder.tables / "results.parquet"
    rows, cells = pd.read_parquet(table), open_study(folder).table.cells
    own = cells[cells["arm"] == "ratio_after_text"].set_index("run_id")["image_ratio"]
    one = rows[(rows["benchmark"] == "average") & (rows["metric"] == "stable_score")]
    one = one[(one["suite"] == "vision") & one["subject"].isin(own.index)]
    ratio = one["subject"].map(own).astype(float)
    level = 2 + one["params"].astype(float) * 1e-10  # models differ
    losses = one.assign(
        suite="loss",
        benchmark="val_text_loss",
        metric="nats_per_token",
        value=level * (1 + ratio / 8),
    )
    pd.concat([rows, losses]).to_parquet(table)
    value = fitted(folder)["text_loss_of_image_ratio"].values[0]
    assert value.value == pytest.approx(8 * effects.TOLERANCE, abs=2e-3)


def test_too_few_ratios_are_refused_with_what_to_add(tmp_path: Path) -> None:
    refusal = fitted(study(tmp_path, [0, "10%", "50%"]))["vision_of_image_ratio"].refusal
    assert refusal is not None
    assert "4 places" in refusal.mend


def test_an_arm_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = small_paper(tmp_path)
    tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    tree["arms"] = {"timing": tree["arms"]["timing"]}
    path.write_text(yaml.safe_dump(tree, sort_keys=False), encoding="utf-8")
    refusal = fitted(made_study(path, tmp_path))["vision_of_image_ratio"].refusal
    assert refusal is not None
    assert refusal.where == "figure_5"


def test_an_effect_over_runs_of_several_code_versions_says_so(tmp_path: Path) -> None:
    folder = study(tmp_path, RATIOS)
    table = folder.tables / "results.parquet"
    rows = pd.read_parquet(table)
    other = fitted(folder)["vision_of_image_ratio"].run_ids[0]
    rows.loc[rows["run_id"] == other, "code"] = "fff9999"
    rows.to_parquet(table)
    flags = fitted(folder)["vision_of_image_ratio"].flags
    assert [f"{other} by fff9999" in flag.detail for flag in flags] == [True]
