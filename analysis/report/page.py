"""Put the report's parts together and write the page. Everything on it is escaped."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import jinja2
import numpy as np
import pandas as pd

from analysis.figures.all import draw_all
from analysis.figures.drawn import Drawn
from analysis.findings import findings
from analysis.report.costs import by_arm, by_stage, savings
from analysis.report.machine import environments, scope_words
from analysis.report.words import ABSENT, finding_words, quantity
from analysis.study import StudyResults, open_study
from orchestrator.store.files import read_json, write_text
from orchestrator.store.layout import StudyFolder

TEMPLATE = "page.html.j2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A figure on the page."""

    name: str
    title: str
    caption: str
    png: str
    """Base64."""
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingRun:
    """A planned run without a result."""

    run_id: str
    stage: str
    title: str
    reason: str


def write_report(folder: StudyFolder, rng: np.random.Generator) -> Path:
    """Draw the study's figures again and write `report.html`, one self-contained page.

    Args:
        folder: the study's results, with tables and, if they were made, fits.
        rng: resamples findings that have no closed interval.

    Raises:
        RecordError: if the plan, a table or a fit is missing or damaged.
    """
    study = open_study(folder)
    drawn = draw_all(folder)
    known = environments(study)
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["quantity"] = quantity
    template = environment.from_string(
        resources.files("analysis.report").joinpath(TEMPLATE).read_text(encoding="utf-8")
    )
    html = template.render(
        study=study,
        done=sum(study.is_done(run) for run in study.runs),
        scope=scope_words(known),
        findings=[finding_words(item) for item in findings(study, rng)],
        pictures=[_picture(folder, item) for item in drawn if isinstance(item, Drawn)],
        not_drawn=[item for item in drawn if not isinstance(item, Drawn)],
        fits=_fits(folder),
        measured=_measured(study),
        stages=by_stage(study),
        arms=by_arm(study),
        saved=savings(study),
        missing=_missing(study),
        environment=known,
        absent=ABSENT,
    )
    write_text(folder.report, html)
    return folder.report


def _picture(folder: StudyFolder, drawn: Drawn) -> Picture:
    png = (folder.figures / f"{drawn.name}.png").read_bytes()
    return Picture(
        name=drawn.name,
        title=drawn.title,
        caption=drawn.caption,
        png=base64.b64encode(png).decode("ascii"),
        missing=drawn.missing,
    )


def _fits(folder: StudyFolder) -> list[Mapping[str, object]]:
    return [read_json(path) for path in sorted(folder.fits.glob("*.json"))]


def _missing(study: StudyResults) -> list[MissingRun]:
    return [
        MissingRun(
            run_id=run.run_id, stage=run.stage, title=run.title, reason=study.reason_missing(run)
        )
        for run in study.runs
        if not study.is_done(run)
    ]


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
