"""The report is one page: plan, progress, costs, figures, tables, fits and what is missing."""

import html
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from analysis.fits.study import fit_study
from analysis.report import write_report
from analysis.report.fits import shown_fits
from analysis.report.pictures import pictures
from orchestrator.plan.causes import Cause
from orchestrator.plan.observed import Observed, State
from orchestrator.store.layout import RunFolder, StudyFolder
from orchestrator.store.records import write_result
from orchestrator.store.stage import Measure, StageResult

LACKING = "small, at 80%, images 10%, inherited, 2 epochs, vision, seed 0"
LACKING_CELL = "model small, seed 0, cooldown_point 0.8, image_ratio 0.1"
TRUNK = "trunk-small-0-0.2"
NOW = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)


def look(run: RunFolder) -> Observed:
    """Say of this world's runs, which have no records, what their markers say."""
    if run.done.exists():
        return Observed(state=State.DONE)
    return Observed(state=State.FAILED, cause=Cause.GPU_MEMORY, message="no room <left>")


def text_of(folder: StudyFolder) -> str:
    return write_report(folder, np.random.default_rng(0), NOW, look).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def folder(build_study: Callable[..., StudyFolder]) -> StudyFolder:
    built = build_study(models=("small",), arms=("timing",), not_run=(LACKING,))
    fit_study(built, np.random.default_rng(0))
    record = json.loads((built.fits / "loss_of_flops.json").read_text())
    record["flags"] = [{"kind": "E near 0", "detail": "E < 1e-3"}]  # this world's fit has none
    (built.fits / "loss_of_flops.json").write_text(json.dumps(record))
    ending = {
        "format": 1, "token": "t", "code": 0, "cause": None, "message": None, "seconds": 72.0,
        "started": "2026-01-01T00:00:00+00:00", "ended": "2026-01-01T00:01:12+00:00",
        "device": "cpu", "step": 1, "steps_per_second": 1.0, "peak_memory_mib": 1.0, "nodes": [],
        "job_state": None,
    }  # fmt: skip
    for run_id in (TRUNK, "vision-tuned-small-0-0.8-0.1-inherited-2"):
        built.run(run_id).attempt(1).exit.write_text(json.dumps(ending))
    entries = {
        "row": ["small", "small", "79M", "small, published in the caption"],
        "column": ["VQA <v2>", "GQA", "VQA <v2>", "GQA"],
        "source": [None, None, "table 2, row 79M", "Some et al."],
        "unit": ["score", "score", "score", "count"],
        "value": [0.314, None, 0.5, 1.4e9],
        "low": [0.3, None, None, None],
        "high": [0.33, None, None, None],
    }
    pd.DataFrame(entries).to_csv(built.tables / "table_2.csv", index=False)
    words = "# Scores & more\n\n| a |\n|---|\n\nIn per cent. Published: Some et al.\n\n"
    words += "Missing (1):\n\n- small\n"
    (built.tables / "table_2.md").write_text(words)
    pd.DataFrame({"x": range(130)}).to_csv(built.tables / "long.csv", index=False)
    return built


@pytest.fixture(scope="module")
def page(folder: StudyFolder) -> str:
    return text_of(folder)


def section(page: str, name: str) -> str:
    """Return the text of a section."""
    found = re.search(rf'<section id="{name}">.*?</section>', page, flags=re.DOTALL)
    assert found is not None
    return found[0]


def row(page: str, head: str) -> list[str]:
    """Return the cells of the first table row with a head."""
    found = re.search(rf'<th scope="row">{re.escape(head)}</th>(.*?)</tr>', page, flags=re.DOTALL)
    assert found is not None
    return re.findall(r"<td[^>]*>(.*?)</td>", found[1])


def test_the_page_needs_no_other_file(page: str) -> None:
    assert "data:image/png;base64," in page
    assert not re.findall(r'(?:src|href)="(?!data:|#)', page)
    assert "url(" not in page
    assert "<script" not in page


def test_findings_stand_with_interval_and_verdict(page: str) -> None:
    assert "cooldown point 80 % minus 100 %, equal peak" in page
    assert re.search(r"\+\d+\.\d points", page)
    assert 'class="not-measured"' in page


def test_a_run_that_was_not_done_is_named(page: str) -> None:
    missing = section(page, "missing")
    assert html.escape(LACKING) in missing
    assert "1 planned runs have no result" in missing


def test_a_cell_is_missing_as_long_as_one_of_its_evaluations_is(page: str) -> None:
    missing = section(page, "missing")
    assert "1 of 30 cells are missing" in missing
    assert LACKING_CELL in missing


def test_progress_is_counted_by_stage_and_failures_by_cause(page: str) -> None:
    plan = section(page, "plan")
    assert "<span>119 done, 1 failed</span>" in plan
    assert row(plan, "gpu_out_of_memory") == ["1", "no room &lt;left&gt;"]
    widths = re.findall(r'class="(?:done|failed)" style="width: ([\d.]+)%', plan)
    assert sum(float(width) for width in widths[-2:]) == pytest.approx(100, abs=0.01)


def test_actual_costs_stand_beside_what_was_planned_for_the_same_runs(page: str) -> None:
    costs = section(page, "costs")
    trunks = row(costs, "text_pretrain")
    # Planned are 0.01 h for each of 12 trunk runs; one took 72 s = 0.02 h.
    assert trunks[4:] == ["0.12", "0.01", "0.02", "2", "-"]
    assert row(costs, "evaluate")[-1] == "0.02"  # went into the run without a result
    assert row(costs, "all")[6:] == ["0.02", "2", "0.02"]


def test_tables_are_turned_with_published_rows_marked_and_what_is_absent_named(page: str) -> None:
    tables = section(page, "tables")
    assert "Scores &amp; more" in tables
    assert "In per cent." in tables
    assert row(tables, "small") == ["31.4 [30.0, 33.0]", "missing"]
    assert row(tables, "79M (published: table 2, row 79M)") == ["50.0", ""]
    assert row(tables, "small, published in the caption (published)") == ["", "1.4 G"]
    assert "VQA &lt;v2&gt;" in tables
    assert "tables/results.csv" not in tables


def test_a_long_table_is_cut_and_says_so(page: str) -> None:
    assert "which has 30 more rows" in section(page, "tables")


def test_a_refused_fit_is_shown_with_its_reason(page: str) -> None:
    fits = section(page, "fits")
    assert "<strong>Refused</strong>" in fits
    assert "1 model sizes" in fits


def test_a_fit_stands_with_intervals_and_flags(page: str, folder: StudyFolder) -> None:
    record = json.loads((folder.fits / "loss_of_flops.json").read_text())
    fits, certificate = section(page, "fits"), record["certificate"]
    assert "<strong>E near 0</strong>: E &lt; 1e-3" in fits
    assert (
        f"{certificate['agreeing']} of {certificate['starts']} starts end at this optimum" in fits
    )
    value = record["parameters"][0]
    assert row(fits, "E") == [f"{value['value']:.4g}", f"[{value['low']:.4g}, {value['high']:.4g}]"]


def test_a_fit_record_without_the_usual_parts_is_shown_as_far_as_it_goes(tmp_path: Path) -> None:
    study = StudyFolder(tmp_path)
    study.fits.mkdir()
    record = {"law": {"equation": "y = x"}, "flags": [{"kind": "few points"}], "backtest": 1}
    (study.fits / "mixture.json").write_text(json.dumps(record))
    (shown,) = shown_fits(study)
    assert (shown.name, shown.equation, shown.refusal) == ("mixture", "y = x", "")
    assert shown.flags == (("few points", ""),)
    assert shown.values == shown.checks == ()


def test_figures_that_could_not_be_drawn_are_named(page: str) -> None:
    assert "Not drawn" in page
    assert "figure_6" in page


@pytest.mark.usefixtures("page")
def test_a_picture_that_lies_in_the_folder_is_shown_too(
    folder: StudyFolder, tmp_path: Path
) -> None:
    study = StudyFolder(tmp_path)
    study.figures.mkdir()
    (study.figures / "mine.png").write_bytes((folder.figures / "scaling.png").read_bytes())
    (study.figures / "broken.png").write_bytes(b"no picture")
    (shown,) = pictures(study, ())
    assert shown.name == "mine"
    with Image.open(study.figures / "mine.png") as opened:
        assert opened.size == (shown.width, shown.height)


def test_finished_runs_that_the_table_lacks_are_counted(
    build_study: Callable[..., StudyFolder], page: str
) -> None:
    assert "not in the results table" not in page
    study = build_study(models=("small",), seeds=(0,), arms=("timing",))
    measure = Measure(suite="loss", benchmark="val", metric="nats_per_token", value=1.0)
    for stage, measures in (("branch", (measure,)), ("tuned", ())):
        run = next(study.run(path.name) for path in study.runs.iterdir() if stage in path.name[:6])
        write_result(run, StageResult(measures=measures, counts={}))
    assert "1 finished runs are not in the results table yet" in text_of(study)


def test_text_from_the_study_is_escaped(page: str) -> None:
    assert "<with>" not in page
    assert "&lt;with&gt;" in page
    assert "box &lt;one&gt;" in page


def test_the_page_says_when_it_was_true_and_how_far_it_reaches(page: str) -> None:
    assert "as of 2026-01-02 03:04 UTC" in page
    assert "shows what CPU cores show" in page


def test_savings_are_there(page: str) -> None:
    assert "1.5 device hours" in section(page, "plan")
