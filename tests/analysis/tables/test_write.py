"""Tables as files: every number in the CSV, published rows marked, nothing left unescaped."""

import re
from pathlib import Path

import pandas as pd
import pytest

from analysis.intervals import Estimate
from analysis.tables.tabulated import Entry, Row, Tabulated, Unit
from analysis.tables.write import escaped, latex, markdown, save_table


def score(value: float, low: float | None = None, high: float | None = None) -> Entry:
    estimate = Estimate(value=value, low=low, high=high, n=1, method="by hand")
    return Entry(unit=Unit.SCORE, estimate=estimate, run_ids=("abc",))


LACKING = "a run (not started)"
TABLE = Tabulated(
    name="table_0",
    title="Made by hand",
    caption="Scores in %.",
    heading="model",
    columns=("VQA_v2", "5 % & more"),
    rows=(
        Row(
            label="small_one",
            entries={
                "VQA_v2": score(0.6123, 0.6, 0.62),
                "5 % & more": Entry(
                    unit=Unit.SCORE, estimate=None, missing=("a run (not started)",)
                ),
            },
        ),
        Row(label="theirs", entries={"VQA_v2": score(0.7639)}, source="Somebody 2025, table 1"),
    ),
)


def test_markdown_marks_published_rows_and_names_what_is_missing() -> None:
    lines = markdown(TABLE).splitlines()
    assert "| small_one | 61.23 [60.00, 62.00] | missing |" in lines
    assert "| theirs (published) | *76.39* |  |" in lines
    assert "- a run (not started)" in lines
    assert lines[-3] == "Missing (1):"
    assert "Published: Somebody 2025, table 1." in markdown(TABLE)


def test_latex_is_whole_and_keeps_published_rows_apart() -> None:
    text = latex(TABLE)
    body = text[text.index("\\toprule") : text.index("\\bottomrule")].splitlines()
    rows = [line for line in body if line.endswith("\\\\") and "multicolumn" not in line]
    assert [len(re.findall(r"(?<!\\)&", row)) for row in rows] == [2, 2, 2]
    assert body.index("\\midrule", 3) < body.index("theirs & 76.39 &  \\\\")
    assert "small\\_one & 61.23 [60.00, 62.00] & missing \\\\" in body
    assert "5 \\% \\& more" in rows[0]
    assert text.count("\\begin{") == text.count("\\end{")
    assert "% missing: a run (not started)" in text


@pytest.mark.parametrize(
    ("plain", "expected"),
    [("50 %", "50 \\%"), ("a_b & c#1", "a\\_b \\& c\\#1"), ("\\x", "\\textbackslash{}x")],
)
def test_what_latex_takes_for_commands_is_escaped(plain: str, expected: str) -> None:
    assert escaped(plain) == expected


def test_the_csv_has_fractions_and_says_whose_they_are(tmp_path: Path) -> None:
    paths = save_table(TABLE, tmp_path / "tables of a study")
    assert [path.name for path in paths] == ["table_0.csv", "table_0.md", "table_0.tex"]
    frame = pd.read_csv(paths[0])
    assert frame["value"].tolist()[0] == 0.6123
    assert frame["low"].tolist()[0] == 0.6
    assert frame["source"].isna().tolist() == [True, True, False]
    assert frame["missing"].tolist()[1] == "a run (not started)"


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (4.3e12, Unit.COUNT, "4.3T"),
        (2048, Unit.COUNT, "2,048"),
        (3e-3, Unit.RATE, "0.003"),
        (106_000, Unit.HOURS, "106,000"),
        (0.0123, Unit.HOURS, "0.0123"),
    ],
)
def test_numbers_are_shown_in_their_unit(value: float, unit: Unit, shown: str) -> None:
    entry = Entry(
        unit=unit, estimate=Estimate(value=value, low=None, high=None, n=1, method="planned")
    )
    row = Row(label="m", entries={"c": entry})
    table = Tabulated(name="t", title="", caption="", heading="", columns=("c",), rows=(row,))
    assert f"| m | {shown} |" in markdown(table)
