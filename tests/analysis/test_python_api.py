"""`from analysis import load, fit, laws`: what a script or a notebook sees."""

import inspect
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import analysis.fits.engine
from analysis import fit, laws, load
from analysis.fits.bootstrap import Bootstrap
from analysis.loading import LoadedStudy
from orchestrator.errors import FitError, RecordError
from orchestrator.store.attempts import write_intent
from tests.analysis.conftest import LAW, BuildStudy
from tests.orchestrator.store.made_records import INTENT


@pytest.fixture(scope="module")
def study(build_study: BuildStudy) -> LoadedStudy:
    folder = build_study(seeds=(0, 1, 2), arms=("timing",))
    exit_ = folder.run("trunk-small-0-0.2").attempt(1).exit
    exit_.write_text(
        '{"format": 1, "token": "t", "code": 0, "cause": null, "message": null, "seconds": 1800.0,'
        ' "started": "2026-01-01T00:00:00+00:00", "ended": "2026-01-01T00:30:00+00:00",'
        ' "device": "cpu", "step": 1, "steps_per_second": 1.0, "peak_memory_mib": 1.0,'
        ' "nodes": [], "job_state": null}'
    )
    (folder.run("tuned-small-0-0.8-0.1-inherited-2").done).unlink()
    return load(folder.path)


def frame_of(noise: float = 0.0) -> pd.DataFrame:
    params, tokens = (g.ravel() for g in np.meshgrid(np.geomspace(1e6, 1e9, 6), [1e8, 1e9, 1e10]))
    value = LAW["E"] + LAW["A"] / params ** LAW["alpha"] + LAW["B"] / tokens ** LAW["beta"]
    value *= np.exp(noise * np.random.default_rng(0).standard_normal(len(value)))
    return pd.DataFrame({"params": params, "tokens": tokens, "value": value})


def test_importing_analysis_loads_no_heavy_library() -> None:
    code = "import sys, analysis; sys.exit(bool({'numpy', 'pandas', 'scipy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_fit_is_the_function_whatever_was_imported_before() -> None:
    assert analysis.fits.engine.STARTS > 0
    assert list(inspect.signature(fit).parameters)[:2] == ["data", "law"]


def test_a_name_that_analysis_lacks_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="lode"):
        analysis.lode  # noqa: B018


def test_a_study_is_found_by_folder_and_by_name(study: LoadedStudy) -> None:
    folder = study.source.folder.path
    by_name = load(folder.name, results=folder.parent)
    pd.testing.assert_frame_equal(by_name.results, study.results)


def test_a_study_that_was_not_launched_is_refused_with_both_places(tmp_path: Path) -> None:
    with pytest.raises(RecordError) as caught:
        load("nothing", results=tmp_path)
    assert str(tmp_path / "nothing" / "plan.json") in caught.value.where


def test_every_column_is_described_or_an_axis_of_the_study(study: LoadedStudy) -> None:
    described = study.columns().set_index("column")
    assert {*study.results, *study.plan, *study.losses()} <= set(described.index)
    axes = described[described["unit"] == "as declared"].index
    assert set(axes) <= {*study.source.table.cells, "end"}  # `end` is this test world's own


def test_the_plan_says_what_runs_took_and_why_others_are_missing(study: LoadedStudy) -> None:
    plan = study.plan.set_index("run_id")
    assert plan.loc["trunk-small-0-0.2", "spent_device_hours"] == 0.5
    missing = plan[~plan["done"]]
    assert list(missing.index) == ["tuned-small-0-0.8-0.1-inherited-2"]
    assert list(missing["missing_because"]) == ["started, not finished"]


def test_attempts_on_several_devices_count_on_each(study: LoadedStudy) -> None:
    from analysis.spent import spent_device_hours

    run = study.source.run("trunk-small-0-0.2")
    assert run is not None
    attempt = study.source.folder.run(run.run_id).attempt(1)
    write_intent(attempt, replace(INTENT, processes=8))
    try:
        assert spent_device_hours(study.source, run) == 4.0
    finally:
        attempt.intent.unlink()


def test_an_unknown_arm_is_refused_by_name(study: LoadedStudy) -> None:
    assert set(study.arm("timing")["arm"]) == {"timing"}
    with pytest.raises(RecordError, match="timimg"):
        study.arm("timimg")


def test_a_study_shows_itself_with_its_text_escaped(study: LoadedStudy) -> None:
    assert "&lt;with&gt;" in study._repr_html_()
    assert "<with>" not in study._repr_html_()
    assert "0.5 spent" in repr(study)


def test_a_fit_of_a_study_recovers_its_law(study: LoadedStudy) -> None:
    made = fit(study.losses(), laws.CHINCHILLA, intervals=Bootstrap(replicates=200))
    for item in made.parameters:
        if item.name in ("alpha", "beta"):
            assert item.low is not None
            assert item.high is not None
            assert item.low - 0.05 < LAW[item.name] < item.high + 0.05
    assert made.interval is not None
    assert "9 clusters" in made.interval.method  # whole trunks are resampled


def test_a_fit_is_the_same_for_the_same_seed_alone() -> None:
    few = Bootstrap(replicates=100)
    first, again, other = (
        fit(frame_of(0.01), laws.CHINCHILLA, intervals=few, seed=seed) for seed in (1, 1, 2)
    )
    assert first.parameters == again.parameters
    assert first.parameters != other.parameters


def test_points_that_cannot_be_fitted_are_left_out_by_the_name_of_their_row() -> None:
    frame = frame_of()
    frame.loc[3, "value"] = np.nan
    made = fit(frame, laws.CHINCHILLA, intervals=None)
    assert [item.label for item in made.dropped] == ["row 3"]
    assert "1 left out" in repr(made)


def test_a_frame_without_an_input_is_refused_with_the_columns_it_needs() -> None:
    with pytest.raises(FitError, match="no column tokens") as caught:
        fit(frame_of().rename(columns={"tokens": "D"}), laws.CHINCHILLA)
    assert "params, tokens, value" in caught.value.mend
    with pytest.raises(FitError, match="value is 'high'"):
        fit(frame_of().assign(value="high"), laws.CHINCHILLA)
    mixed = frame_of().assign(code=["a"] * 3 + ["b"] * (len(frame_of()) - 3))
    with pytest.raises(FitError, match="code is 'b' in most rows"):
        fit(mixed, laws.CHINCHILLA)


def test_a_fit_shows_values_intervals_and_doubts() -> None:
    one_size = frame_of(0.01).query("tokens == 1e8")
    made = fit(one_size, laws.power_law("params"), intervals=Bootstrap(replicates=100))
    value = made.parameters[0]
    for shown in (repr(made), made._repr_html_()):
        assert f"{value.value:.4g}" in shown
        assert f"[{value.low:.4g}, {value.high:.4g}]" in shown
        assert all(flag.detail in shown for flag in made.flags)
    assert "90% interval" in made._repr_html_()


def test_predictions_for_a_frame_stand_within_their_interval() -> None:
    made = fit(frame_of(0.01), laws.CHINCHILLA, intervals=Bootstrap(replicates=100))
    curve = made.at(frame_of())
    assert list(curve.columns) == ["params", "tokens", "predicted", "low", "high"]
    assert (curve["low"] <= curve["high"]).all()
    assert np.allclose(curve["predicted"], frame_of()["value"], rtol=0.02)
    bare = fit(frame_of(), laws.CHINCHILLA, intervals=None).at(frame_of())
    assert bare["low"].isna().all()
