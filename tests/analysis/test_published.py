"""Published numbers are those of the paper's tables, each with its place."""

import pandas as pd
import pytest

from analysis.published import COLUMNS, TABLES, beside_curve, published_table
from orchestrator.errors import RecordError


def value(table: int, **where: object) -> float:
    rows = published_table(table)
    for name, wanted in where.items():
        rows = rows[rows[name] == wanted]
    assert len(rows) == 1
    return float(rows["value"].iloc[0])


@pytest.mark.parametrize("number", TABLES)
def test_every_row_says_where_it_stands(number: int) -> None:
    rows = published_table(number)
    assert not rows[list(COLUMNS)].isna().any().any()
    assert set(rows["table"]) == {number}
    assert not rows.duplicated([name for name in rows if name != "value"]).any()


@pytest.mark.parametrize(
    ("table", "where", "expected"),
    [
        (2, {"model": "1.4B", "quantity": "trunk_tokens"}, 4.3e12),
        (2, {"model": "79M", "quantity": "peak_learning_rate"}, 3e-3),
        (3, {"benchmark": "VQAv2", "row": "with image pre-training"}, 76.39),
        (3, {"benchmark": "POPE", "row": "without image pre-training"}, 0.87113),
        (3, {"benchmark": "VizWiz", "row": "without image pre-training"}, 11.69),
        (4, {"frozen": "yes", "image_ratio": 0.05}, 58.71),
        (4, {"frozen": "no", "image_ratio": 0.5}, 71.0),
        (5, {"caption_source": "DataComp-DR", "suite": "text"}, 0.1503),
        (5, {"caption_source": "Shutterstock", "suite": "vision"}, 0.4518),
        (6, {"encoder": "SigLIP + DINO", "suite": "vision"}, 0.4696),
        (6, {"encoder": "patch projection", "suite": "vision"}, 0.1564),
        (7, {"seed": 7, "image_ratio": 0.01, "epochs": 1}, 73.83),
        (7, {"seed": 365, "image_ratio": 0.1, "epochs": 2}, 76.58),
    ],
)
def test_values_are_as_printed(table: int, where: dict[str, object], expected: float) -> None:
    assert value(table, **where) == expected


@pytest.mark.parametrize(("number", "rows"), [(2, 20), (3, 14), (4, 6), (5, 8), (6, 6), (7, 12)])
def test_tables_are_whole(number: int, rows: int) -> None:
    assert len(published_table(number)) == rows


def test_an_unknown_table_is_refused() -> None:
    with pytest.raises(RecordError, match="table 99"):
        published_table(99)


def measured(**changes: object) -> pd.DataFrame:
    row = {
        "suite": "vision",
        "benchmark": "vqa-v2",
        "params": 27e6,
        "params_total": 79e6,
        "cooldown_point": 0.8,
        "image_ratio": 0.1,
        "epochs": 3.0,
        "learning_rate_rule": "inherited",
    }
    return pd.DataFrame([{**row, **changes}])


def test_published_values_stand_beside_comparable_models_alone() -> None:
    beside = beside_curve(measured(), "image_ratio")
    assert beside is not None
    assert beside["value"].tolist() == pytest.approx([0.5871, 0.6022, 0.6085])
    assert set(beside["kind"]) == {"published"}
    assert beside["line"].str.contains("published").all()
    for other in (
        {"benchmark": "colour"},
        {"suite": "vision_blind"},
        {"params": 3e5, "params_total": 4e5},
        {"epochs": 2.0},
        {"learning_rate_rule": "equal_peak"},
    ):
        assert beside_curve(measured(**other), "image_ratio") is None


def test_each_seed_of_table_7_stands_beside_the_epochs_of_its_ratio() -> None:
    large = {"params": 1.23e9, "params_total": 1.44e9, "cooldown_point": 0.2, "image_ratio": 0.05}
    beside = beside_curve(measured(**large), "epochs")
    assert beside is not None
    assert sorted(beside["value"]) == pytest.approx([0.7536, 0.7539, 0.7639, 0.7647])
    assert set(beside["epochs"]) == {1.0, 2.0}


def test_nothing_published_stands_on_an_axis_that_it_has_no_place_on() -> None:
    assert beside_curve(measured(), "instruction_ratio") is None
