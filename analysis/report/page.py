"""Put the report's parts together and write the page. Everything on it is escaped."""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from importlib import resources
from pathlib import Path

import jinja2
import numpy as np
import pandas as pd

from analysis.figures.all import draw_all
from analysis.figures.drawn import Drawn, NotDrawn
from analysis.findings import findings
from analysis.report.costs import by_arm, by_stage, savings
from analysis.report.fits import shown_fits
from analysis.report.machine import environments, scope_words
from analysis.report.missing import arm_cells, missing_runs
from analysis.report.pictures import pictures
from analysis.report.progress import failures, stage_progress
from analysis.report.tables import shown_tables
from analysis.report.words import ABSENT, finding_words, quantity
from analysis.spent import spent_device_hours
from analysis.study import StudyResults, open_study
from orchestrator.errors import RecordError
from orchestrator.plan.observed import Observed
from orchestrator.store.files import write_text
from orchestrator.store.layout import RunFolder, StudyFolder
from orchestrator.store.records import read_result

TEMPLATE = "page.html.j2"


def write_report(
    folder: StudyFolder,
    rng: np.random.Generator,
    now: datetime,
    look: Callable[[RunFolder], Observed],
) -> Path:
    """Draw the study's figures again and write `report.html`, one self-contained page.

    Args:
        folder: the study's results, with tables and, if they were made, fits.
        rng: resamples findings that have no closed interval.
        now: the time that the page speaks of.
        look: says where a run stands.

    Raises:
        RecordError: if the plan, a table or a fit is missing or damaged.
    """
    study = open_study(folder)
    drawn = draw_all(folder)
    known = environments(study)
    seen = {run.run_id: look(folder.run(run.run_id)) for run in study.runs}
    spent = {run.run_id: spent_device_hours(study, run) for run in study.runs}
    html = _template().render(
        study=study,
        now=now.strftime("%Y-%m-%d %H:%M %Z"),
        done=sum(study.is_done(run) for run in study.runs),
        not_in_table=_not_in_table(study),
        scope=scope_words(known),
        progress=stage_progress(study, seen),
        failures=failures(seen),
        findings=[finding_words(item) for item in findings(study, rng)],
        pictures=pictures(folder, [item for item in drawn if isinstance(item, Drawn)]),
        not_drawn=[item for item in drawn if isinstance(item, NotDrawn)],
        tables=shown_tables(folder),
        fits=shown_fits(folder),
        measured=_measured(study),
        stages=by_stage(study, spent),
        arms=by_arm(study, spent),
        saved=savings(study),
        cells=arm_cells(study),
        missing=missing_runs(study),
        environment=known,
        absent=ABSENT,
    )
    write_text(folder.report, html)
    return folder.report


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["quantity"] = quantity
    return environment.from_string(
        resources.files("analysis.report").joinpath(TEMPLATE).read_text(encoding="utf-8")
    )


def _not_in_table(study: StudyResults) -> int:
    """Count the finished runs that measured something which the results table does not have."""
    there = set(study.table.results["run_id"])
    count = 0
    for run in study.runs:
        if run.run_id not in there and study.is_done(run):
            with suppress(RecordError):  # a damaged result is for `sweep results` to name
                count += bool(read_result(study.folder.run(run.run_id)).measures)
    return count


def _measured(study: StudyResults) -> list[dict[str, str]]:
    """Return a line for each suite, benchmark and metric: how many models, and the range."""
    lines: list[dict[str, str]] = []
    for (suite, benchmark, metric), rows in study.table.results.groupby(
        ["suite", "benchmark", "metric"]
    ):
        values = rows["value"].dropna()
        has_values = len(values) > 0
        lines.append(
            {
                "suite": str(suite),
                "benchmark": str(benchmark),
                "metric": str(metric),
                "models": str(len(values)),
                "least": f"{values.min():.3f}" if has_values else ABSENT,
                "median": f"{values.median():.3f}" if has_values else ABSENT,
                "most": f"{values.max():.3f}" if has_values else ABSENT,
                "baseline": _one(rows["baseline"]),
                "absent": _absent(rows),
            }
        )
    return lines


def _one(values: "pd.Series[float]") -> str:
    known = values.dropna()
    return f"{known.mean():.3f}" if len(known) else ABSENT


def _absent(rows: pd.DataFrame) -> str:
    """Count the absent values and give their reasons."""
    lacking = rows[rows["value"].isna()]
    if lacking.empty:
        return ""
    reasons = sorted({str(reason) for reason in lacking["reason"].dropna()})
    return f"{len(lacking)}: {'; '.join(reasons) or 'no reason recorded'}"
