"""Tables hold the numbers of their arms, keep published ones apart, and name what is missing."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from scipy import stats

from analysis.figures.drawn import NotDrawn
from analysis.study import StudyResults, open_study
from analysis.tables import table_2, table_3, table_4, table_5, table_6, table_7, table_8
from analysis.tables.all import MODULES, tabulate_all, tabulate_study
from analysis.tables.tabulated import Entry, Row, Tabulated
from analysis.tables.write import frame_of
from orchestrator.plan.plan import PlannedRun
from orchestrator.store.layout import StudyFolder
from tests.analysis.made_results import HOURS, Effects, made_study

Z = float(stats.norm.ppf(0.95))


@pytest.fixture(scope="module")
def paper(paper_folder: StudyFolder) -> StudyResults:
    return open_study(paper_folder)


def measured(folder: StudyFolder, arm: str, benchmark: str, metric: str) -> pd.DataFrame:
    """Return what one metric is for each model of an arm, found without the code under test."""
    results = pd.read_csv(folder.tables / "results.csv", low_memory=False)
    own = results[(results["benchmark"] == benchmark) & (results["metric"] == metric)]
    own = own[own["suite"] != "vision_blind"]
    cells = pd.read_csv(folder.tables / "cells.csv")
    place = cells[cells["arm"] == arm].rename(columns={"run_id": "subject"})
    return place.merge(own[["subject", "suite", "run_id", "value", "stderr"]], on="subject")


def row_of(table: Tabulated, label: str) -> Row:
    return next(row for row in table.rows if row.label == label)


def value_of(entry: Entry) -> float:
    assert entry.estimate is not None
    return entry.estimate.value


def ours(table: Tabulated) -> list[str]:
    return [row.label for row in table.rows if row.source is None]


def test_seeds_stand_in_rows_and_settings_in_columns(
    paper: StudyResults, paper_folder: StudyFolder
) -> None:
    table = table_7.tabulate(paper)
    own = measured(paper_folder, "seeds", "vqa-v2", "accuracy")
    assert len(own) == 12
    for _, model in own.iterrows():
        epochs = "1 epoch" if model["epochs"] == 1 else "2 epochs"
        column = f"images {100 * model['image_ratio']:g} %, {epochs}"
        entry = row_of(table, f"1.4b, seed {model['seed']}").entries[column]
        assert value_of(entry) == pytest.approx(model["value"])
        assert entry.run_ids == (model["run_id"],)
    assert table.columns[0] == "images 1 %, 1 epoch"


def test_the_spread_of_two_seeds_is_their_distance_over_root_two(
    paper: StudyResults, paper_folder: StudyFolder
) -> None:
    own = measured(paper_folder, "seeds", "vqa-v2", "accuracy")
    pair = own[(own["image_ratio"] == 0.05) & (own["epochs"] == 2)]["value"].tolist()
    spread = row_of(table_7.tabulate(paper), f"1.4b, {table_7.SPREAD}")
    expected = abs(pair[0] - pair[1]) / math.sqrt(2)
    assert value_of(spread.entries["images 5 %, 2 epochs"]) == pytest.approx(expected)


def test_a_single_seed_has_the_interval_of_its_questions_and_of_the_seeds_spread(
    paper: StudyResults, paper_folder: StudyFolder
) -> None:
    rows = measured(paper_folder, "seeds", "vqa-v2", "accuracy")
    pairs = rows.groupby(["image_ratio", "epochs"])["value"].std(ddof=1)
    variance = float((pairs**2).mean())  # pooled over six settings of two seeds
    own = measured(paper_folder, "final", "vqa-v2", "accuracy").iloc[0]
    both = own["stderr"] ** 2 + variance
    freedom = both**2 / (variance**2 / 3)  # three branches have a second seed
    half = float(stats.t.ppf(0.95, freedom)) * math.sqrt(both)
    estimate = table_8.tabulate(paper).rows[0].entries["VQAv2"].estimate
    assert estimate is not None
    assert estimate.low == pytest.approx(own["value"] - half)
    assert estimate.high == pytest.approx(own["value"] + half)
    assert half > Z * own["stderr"]


def test_models_with_and_without_images_are_told_apart_and_compared(
    paper: StudyResults, paper_folder: StudyFolder
) -> None:
    table = table_3.tabulate(paper)
    left = measured(paper_folder, "scale_7b", "text-vqa", "accuracy")["value"].item()
    right = measured(paper_folder, "scale_7b_without", "text-vqa", "accuracy")["value"].item()
    assert value_of(row_of(table, f"7b, {table_3.WITH}").entries["TextVQA"]) == left
    assert value_of(row_of(table, f"7b, {table_3.WITHOUT}").entries["TextVQA"]) == right
    difference = row_of(table, f"7b, {table_3.WITH} minus without").entries["TextVQA"]
    assert value_of(difference) == pytest.approx(left - right)
    assert difference.estimate is not None
    assert difference.estimate.low is not None
    assert difference.estimate.low < left - right


def test_the_difference_is_that_of_the_world(paper_file: Path, tmp_path: Path) -> None:
    effects = Effects(seed_noise=0.0, has_question_noise=False)
    table = table_3.tabulate(open_study(made_study(paper_file, tmp_path, effects=effects)))
    found = row_of(table, f"7b, {table_3.WITH} minus without").entries["stable score"]
    # 80 % against 100 %, an image ratio of 10 % against none at all.
    assert value_of(found) == pytest.approx(0.02 - 0.5 * (0.1 - 0.15) ** 2 + 0.03)


def test_frozen_and_trained_encoders_are_read_from_the_runs(
    paper: StudyResults, paper_folder: StudyFolder
) -> None:
    table = table_4.tabulate(paper)
    assert ours(table) == ["79m, siglip, frozen", "79m, siglip_trained, trained"]
    assert table.columns == ("images 5 %", "images 30 %", "images 50 %")
    own = measured(paper_folder, "frozen", "vqa-v2", "accuracy")
    model = own[(own["encoder"] == "siglip_trained") & (own["image_ratio"] == 0.3)]
    entry = row_of(table, "79m, siglip_trained, trained").entries["images 30 %"]
    assert value_of(entry) == pytest.approx(model["value"].item())


@pytest.mark.parametrize(
    ("module", "arm", "axis", "label"),
    [
        (table_5, "caption_source", "cc12m/captions", "1.4b, cc12m"),
        (table_6, "encoder", "patches", "1.4b, patches"),
    ],
)
def test_stable_scores_stand_beside_their_axis(
    paper: StudyResults, paper_folder: StudyFolder, module: object, arm: str, axis: str, label: str
) -> None:
    assert module in (table_5, table_6)
    table = (table_5 if module is table_5 else table_6).tabulate(paper)
    own = measured(paper_folder, arm, "average", "stable_score")
    own = own[(own["captions"] == axis) | (own["encoder"] == axis)]
    for suite in ("vision", "text"):
        value = own.loc[own["suite"] == suite, "value"].item()
        entry = row_of(table, label).entries[f"{suite} stable score"]
        assert value_of(entry) == pytest.approx(value)


PUBLISHED = [
    (3, "7B, with image pre-training", "VQAv2", 0.7639),
    (3, "7B, without image pre-training", "OCID-Ref", 0.39696),
    (4, "79M, encoder frozen: no", "images 30 %", 0.6942),
    (5, "DataComp-DR", "text stable score", 0.1503),
    (6, "SigLIP + DINO", "vision stable score", 0.4696),
    (7, "seed 365", "images 1 %, 2 epochs", 0.759),
]


@pytest.mark.parametrize(("number", "label", "column", "value"), PUBLISHED)
def test_published_numbers_stand_in_rows_of_their_own(
    paper: StudyResults, number: int, label: str, column: str, value: float
) -> None:
    table = MODULES[f"table_{number}"](paper)
    row = row_of(table, label)
    assert row.source == f"Keh et al. 2025, arXiv:2503.07603, table {number}"
    assert value_of(row.entries[column]) == pytest.approx(value)
    assert row.entries[column].run_ids == ()
    frame = frame_of(table)
    published = frame[frame["source"].notna()]
    assert published["run_ids"].isna().all()
    assert published["place"].notna().all()
    mine = frame[frame["source"].isna()]
    assert mine["place"].isna().all()
    assert mine["run_ids"].notna().all()
    assert label not in set(mine["row"])


def test_a_study_without_the_papers_benchmark_gets_no_published_number_beside_it(
    paper_file: Path, tmp_path: Path
) -> None:
    text = paper_file.read_text(encoding="utf-8").replace("- vqa-v2", "- gqa")
    other = tmp_path / "other.yaml"
    other.write_text(text, encoding="utf-8")
    table = table_7.tabulate(open_study(made_study(other, tmp_path)))
    assert table.title == "Seeds: vision score"
    assert all(row.source is None for row in table.rows)


def test_shapes_and_hours_come_from_the_plan_and_the_attempts(paper: StudyResults) -> None:
    table = table_2.tabulate(paper)
    planned = row_of(table, "1.4b, planned").entries
    shape = {"layers": 24, "heads": 16, "d_model": 2048, "d_head": 128, "warm-up steps": 5000}
    rest = {"peak LR": 1e-2, "batch (sequences)": 256, "N with embeddings": 1_439_795_200}
    for column, expected in {**shape, **rest}.items():
        assert value_of(planned[column]) == pytest.approx(expected, rel=1e-3)
    runs = [r for r in paper.runs if r.text("model") == "1.4b" and r.stage == "finetune"]
    hours = sum(HOURS * float(run.number("devices") or 0) for run in runs)
    taken = row_of(table, "1.4b, measured").entries["fine-tuning hours"]
    assert value_of(taken) == pytest.approx(hours)
    assert "layers" not in row_of(table, "1.4b, measured").entries
    published = row_of(table, "1.4B").entries
    assert value_of(published["trunk hours"]) == 106e3
    assert value_of(planned["trunk hours"]) == pytest.approx(106e3, rel=0.01)  # calibrated to it


@pytest.fixture(scope="module")
def lacking(paper_file: Path, tmp_path_factory: pytest.TempPathFactory) -> StudyFolder:
    """The vision evaluation of one caption source, and every run of the 7 B model, never ran."""

    def is_lacking(run: PlannedRun) -> bool:
        axes = {axis.name: axis.value for axis in run.axes}
        one = axes.get("captions") == "cc12m/captions" and axes.get("suite") == "vision"
        return one or axes["model"] == "7b"

    return made_study(paper_file, tmp_path_factory.mktemp("lacking"), lacking=is_lacking)


def test_a_missing_cell_is_absent_and_named(lacking: StudyFolder) -> None:
    table = table_5.tabulate(open_study(lacking))
    entries = row_of(table, "1.4b, cc12m").entries
    assert entries["vision stable score"].estimate is None
    assert len(entries["vision stable score"].missing) == 1
    assert "vision" in entries["vision stable score"].missing[0]
    assert "(not started)" in entries["vision stable score"].missing[0]
    assert entries["text stable score"].estimate is not None
    assert table.missing == entries["vision stable score"].missing
    frame = frame_of(table)
    lines = frame[(frame["row"] == "1.4b, cc12m") & (frame["column"] == "vision stable score")]
    assert lines["value"].isna().tolist() == [True]
    assert lines["missing"].tolist() == [table.missing[0]]


def test_a_table_of_which_nothing_is_measured_is_refused_and_stops_no_other(
    lacking: StudyFolder,
) -> None:
    made = {item.name: item for item in tabulate_study(open_study(lacking))}
    assert set(made) == set(MODULES)
    refused = made["table_3"]
    assert isinstance(refused, NotDrawn)
    assert "nothing of its arms has been measured (2 runs are missing)" in refused.reason
    assert isinstance(made["table_4"], Tabulated)


def test_hours_that_were_not_taken_are_missing_and_not_zero(lacking: StudyFolder) -> None:
    entries = row_of(table_2.tabulate(open_study(lacking)), "7b, measured").entries
    assert entries["text hours"].estimate is None
    assert "2 of 2 runs" in entries["text hours"].missing[0]
    shape = row_of(table_2.tabulate(open_study(lacking)), "7b, planned").entries
    assert shape["layers"].estimate is None
    assert "never launched" in shape["layers"].missing[0]
    assert shape["trunk tokens"].estimate is not None


def test_numbers_that_are_not_at_hand_are_said_to_be_missing(paper: StudyResults) -> None:
    table = table_8.tabulate(paper)
    assert table.missing == ("Prismatic 7B (the published numbers of table 8 are not at hand)",)
    assert all(entry.estimate is None for entry in row_of(table, "Prismatic 7B").entries.values())


def test_every_study_has_table_2_and_no_table_that_it_does_not_feed(
    build_study: Callable[..., StudyFolder],
) -> None:
    folder = build_study(models=("small",), seeds=(0,), arms=("timing",))
    (made,) = tabulate_all(folder)
    assert made.name == "table_2"
    assert (folder.tables / "table_2.csv").exists()


def test_a_table_that_no_module_makes_is_named(paper: StudyResults) -> None:
    study = replace(paper, feeds={"table_99": ("seeds",)})
    made = {item.name: item for item in tabulate_study(study)}
    missing = made["table_99"]
    assert isinstance(missing, NotDrawn)
    assert "no module makes it" in missing.reason
