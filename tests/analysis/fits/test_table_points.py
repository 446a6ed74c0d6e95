"""What is wrong in a table is named by row, and nothing of it is fitted in silence."""

import numpy as np
import pandas as pd
import pytest

from analysis.fits.table_points import points_of_table
from analysis.fitting import fit
from analysis.laws.joint import joint_law
from analysis.laws.mixture import mixture_law
from analysis.laws.power_law import power_law
from analysis.laws.saturation import saturation
from orchestrator.errors import FitError

INPUTS = ("params", "tokens")


def table() -> pd.DataFrame:
    params, tokens = np.meshgrid(np.geomspace(1e7, 1e9, 4), np.geomspace(1e9, 1e11, 4))
    loss = 1.8 + 480 / params**0.35 + 2000 / tokens**0.37
    return pd.DataFrame({"params": params.ravel(), "tokens": tokens.ravel(), "loss": loss.ravel()})


def refusal(frame: pd.DataFrame) -> FitError:
    with pytest.raises(FitError) as caught:
        points_of_table(frame, INPUTS, "loss")
    return caught.value


def test_a_good_table_gives_all_its_rows_and_clusters() -> None:
    points = points_of_table(table(), INPUTS, "loss", "params")
    assert len(points) == 16
    assert points.clusters is not None
    assert len(set(points.clusters)) == 4


def test_absent_and_non_positive_losses_are_dropped_by_row() -> None:
    frame = table()
    frame.loc[[2, 5, 7], "loss"] = [np.nan, 0.0, -1.0]
    points = points_of_table(frame, INPUTS, "loss")
    assert [item.label for item in points.dropped] == ["row 2", "row 5", "row 7"]
    assert len(points) == 13


def test_an_input_of_0_is_a_point_unless_the_law_takes_its_logarithm() -> None:
    ratio, epochs = np.linspace(0, 0.5, 6), np.arange(6.0)
    frame = pd.DataFrame({"image_ratio": ratio, "epochs": epochs, "value": 3 - np.exp(-2 * ratio)})
    assert len(fit(frame, mixture_law("image_ratio"), intervals=None).used) == 6
    assert len(fit(frame, saturation("epochs"), intervals=None).used) == 6
    made = fit(frame, power_law("image_ratio"), intervals=None)
    assert [(item.label, item.reason) for item in made.dropped] == [
        ("row 0", "an input is 0, of which the law takes the logarithm")
    ]
    assert joint_law(has_tokens=True).may_be_zero.tolist() == [False, False, True, True]


def test_an_input_of_0_hides_no_mixed_units() -> None:
    frame = table().assign(image_ratio=np.arange(16) / 32)
    frame.loc[[3, 4], "image_ratio"] *= 1e9
    names = (*INPUTS, "image_ratio")
    allowed = np.array([False, False, True])
    with pytest.raises(FitError, match="image_ratio jumps by a factor of") as caught:
        points_of_table(frame, names, "loss", is_zero_allowed=allowed)
    assert caught.value.where == "rows 3, 4"


def test_text_in_a_column_is_named() -> None:
    frame = table().astype({"loss": object})
    frame.loc[3, "loss"] = "2.9?"
    assert refusal(frame).what == "loss is '2.9?'"
    assert refusal(frame).where == "row 3"


def test_rows_that_are_there_twice_are_named() -> None:
    frame = pd.concat([table(), table().iloc[[4, 6]]], ignore_index=True)
    assert refusal(frame).what == "2 rows repeat an earlier one"
    assert refusal(frame).where == "rows 16, 17"


def test_runs_are_told_apart_by_their_names_where_they_have_any() -> None:
    frame = table().assign(run_id=[f"run {i}" for i in range(16)])
    frame.loc[1, [*INPUTS, "loss"]] = frame.loc[0, [*INPUTS, "loss"]]
    assert len(points_of_table(frame, INPUTS, "loss")) == 16
    frame.loc[5, "run_id"] = "run 4"
    assert refusal(frame).where == "row 5"


@pytest.mark.parametrize("column", ["study", "code"])
def test_rows_of_another_study_or_code_version_are_named(column: str) -> None:
    frame = table().assign(**{column: "one"})
    frame.loc[9, column] = "two"
    assert "'one' in most rows" in refusal(frame).what
    assert refusal(frame).where == "row 9"


def test_mixed_units_are_named() -> None:
    frame = table()
    frame.loc[[1, 8], "tokens"] /= 1e9
    assert "tokens jumps" in refusal(frame).what
    assert refusal(frame).where == "rows 1, 8"


@pytest.mark.parametrize("column", INPUTS)
def test_an_input_that_never_varies_is_refused_with_what_to_add(column: str) -> None:
    frame = table().assign(**{column: 1e9, "run_id": [str(i) for i in range(16)]})
    assert refusal(frame).what == f"{column} is 1e+09 in every row"
    assert "add runs" in refusal(frame).mend


def test_an_empty_table_and_a_missing_column_are_refused() -> None:
    assert refusal(table().iloc[:0]).what == "the table has no rows"
    assert refusal(table().drop(columns="tokens")).what == "no column tokens"
