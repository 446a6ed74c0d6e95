"""The table is checked when it is read, and arms see their own labels."""

from collections.abc import Callable

import pandas as pd
import pytest

from analysis.study import open_study
from analysis.table import load_table
from orchestrator.errors import RecordError
from orchestrator.store.layout import StudyFolder

Build = Callable[..., StudyFolder]


@pytest.fixture
def small(build_study: Build) -> StudyFolder:
    return build_study(models=("small",), seeds=(0,), arms=("timing",))


def test_a_run_in_two_arms_appears_under_the_labels_of_each(small: StudyFolder) -> None:
    cells = pd.read_csv(small.tables / "cells.csv")
    again = cells.iloc[[0]].assign(arm="another", epochs=7)
    pd.concat([cells, again]).to_csv(small.tables / "cells.csv", index=False)
    table = load_table(small)
    subject = str(cells.loc[0, "run_id"])
    assert set(table.arm_rows("another")["subject"]) == {subject}
    assert set(table.arm_rows("another")["epochs"]) == {7}
    timing = table.arm_rows("timing")
    assert set(timing.loc[timing["subject"] == subject, "epochs"]) == {2}


def test_an_arm_without_results_is_empty(small: StudyFolder) -> None:
    assert load_table(small).arm_rows("unknown").empty


def test_a_missing_column_is_refused_by_name(small: StudyFolder) -> None:
    path = small.tables / "results.parquet"
    pd.read_parquet(path).drop(columns=["baseline"]).to_parquet(path)
    with pytest.raises(RecordError, match="no column baseline") as caught:
        load_table(small)
    assert caught.value.where == str(path)


def test_a_missing_table_is_refused(small: StudyFolder) -> None:
    (small.tables / "results.parquet").unlink()
    with pytest.raises(RecordError, match="missing"):
        load_table(small)


def test_nullable_columns_are_read_as_absent(small: StudyFolder) -> None:
    path = small.tables / "results.parquet"
    frame = pd.read_parquet(path)
    frame.loc[0, "value"] = None
    frame.convert_dtypes().to_parquet(path)
    table = load_table(small)
    assert table.results["value"].isna().sum() == 1
    assert table.results["value"].dtype == "float64"


def test_a_run_that_waits_says_for_what(small: StudyFolder) -> None:
    study = open_study(small)
    run = next(run for run in study.runs if run.stage == "finetune")
    parent = study.run(run.needs[0])
    assert parent is not None
    small.run(parent.run_id).done.unlink()
    for path in (small.run(run.run_id).attempt(1).environment,):
        path.unlink()
    small.run(run.run_id).attempt(1).path.rmdir()
    assert study.reason_missing(run) == f"waits for {parent.title}"
