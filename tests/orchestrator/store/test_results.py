"""The results table says what each number is a number of, and leaves out what is not there."""

import csv
from pathlib import Path

import pandas as pd
import pytest

from orchestrator.plan.plan import Plan, PlannedRun
from orchestrator.spec.run import Stage
from orchestrator.store.layout import StudyFolder
from orchestrator.store.records import write_done, write_result
from orchestrator.store.results import cells, gather, write_tables
from orchestrator.store.stage import Measure, StageResult
from orchestrator.store.study_plan import load_plan

SMOKE = Path(__file__).parents[3] / "sweeps" / "smoke.yaml"
SCORE = Measure(
    suite="vision", benchmark="vqa", metric="accuracy", value=0.5, n=40, stderr=0.08, baseline=0.0
)
ABSENT = Measure(
    suite="vision", benchmark="pope", metric="f1", value=None, reason="no question was answered yes"
)


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return load_plan(SMOKE, results=tmp_path)


@pytest.fixture
def folder(tmp_path: Path) -> StudyFolder:
    return StudyFolder(tmp_path / "smoke")


def of_stage(plan: Plan, stage: Stage) -> PlannedRun:
    return next(run for run in plan.runs if run.stage is stage)


def finish(folder: StudyFolder, run: PlannedRun, *measures: Measure) -> None:
    write_result(folder.run(run.run_id), StageResult(measures=measures, counts={}))
    write_done(folder.run(run.run_id))


def test_an_evaluation_carries_its_models_settings_and_training(
    plan: Plan, folder: StudyFolder
) -> None:
    evaluation = of_stage(plan, Stage.EVALUATE)
    subject = next(run for run in plan.runs if run.run_id == evaluation.needs[0])
    finish(folder, evaluation, SCORE)
    [row] = gather(folder, plan)
    assert row.subject == subject.run_id
    assert row.run_id == evaluation.run_id
    assert row.axes["epochs"] == 1
    assert row.axes["model"] == "10k"
    assert row.params == subject.cost.params
    # The model's own tokens and those of its branch; this one starts from scratch.
    branch = next(run for run in plan.runs if run.run_id == subject.needs[0])
    assert row.tokens == branch.cost.tokens + subject.cost.tokens
    assert row.flops == pytest.approx(branch.cost.flops + subject.cost.flops)


def test_missing_is_absent_with_a_reason_and_never_zero(plan: Plan, folder: StudyFolder) -> None:
    finish(folder, of_stage(plan, Stage.EVALUATE), SCORE, ABSENT)
    assert write_tables(folder, plan) == 2
    table = pd.read_parquet(folder.tables / "results.parquet")
    assert table["value"].isna().tolist() == [False, True]
    assert table["reason"].tolist()[1] == ABSENT.reason
    with (folder.tables / "results.csv").open() as file:
        assert [row["value"] for row in csv.DictReader(file)] == ["0.5", ""]


def test_a_run_without_its_marker_has_no_row(plan: Plan, folder: StudyFolder) -> None:
    run = of_stage(plan, Stage.EVALUATE)
    write_result(folder.run(run.run_id), StageResult(measures=(SCORE,), counts={}))
    assert gather(folder, plan) == ()


def test_cells_place_every_model_in_its_arms(plan: Plan) -> None:
    rows = cells(plan)
    assert {row["arm"] for row in rows} == {"timing", "ratio_after_text", "scaling"}
    assert sum(row["arm"] == "scaling" for row in rows) == 6
    shared = {row["run_id"] for row in rows if row["arm"] == "timing"} & {
        row["run_id"] for row in rows if row["arm"] == "ratio_after_text"
    }
    assert len(shared) == 1
    assert all(set(plan.columns) <= set(row) for row in rows)
