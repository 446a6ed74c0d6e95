"""Cells of the arms, and runs, that have no result yet."""

from dataclasses import dataclass

import pandas as pd

from analysis.study import PlanRun, StudyResults

_KEYS = ("arm", "run_id", "stage")


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingRun:
    """A planned run without a result."""

    run_id: str
    stage: str
    title: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmCells:
    """The cells of an arm."""

    name: str
    cells: int
    missing: tuple[str, ...]
    """For each cell without all of its results: its labels, and why."""


def missing_runs(study: StudyResults) -> list[MissingRun]:
    """Return every planned run that has no result, with the reason."""
    return [
        MissingRun(
            run_id=run.run_id, stage=run.stage, title=run.title, reason=study.reason_missing(run)
        )
        for run in study.runs
        if not study.is_done(run)
    ]


def arm_cells(study: StudyResults) -> list[ArmCells]:
    """Return for each arm its cells: a cell is filled if its run and all its evaluations are."""
    lacking = {run.run_id: run for run in study.runs if not study.is_done(run)}
    behind: dict[str, list[PlanRun]] = {}
    for run in lacking.values():
        for name in (run.run_id, *(run.needs if run.stage == "evaluate" else ())):
            behind.setdefault(name, []).append(run)
    arms: list[ArmCells] = []
    for arm, cells in study.table.cells.groupby("arm", sort=False):
        lines = [
            f"{_labels(row)}: {_why(study, behind[str(row['run_id'])])}"
            for _, row in cells.iterrows()
            if str(row["run_id"]) in behind
        ]
        arms.append(ArmCells(name=str(arm), cells=len(cells), missing=tuple(lines)))
    return arms


def _why(study: StudyResults, runs: list[PlanRun]) -> str:
    first = runs[0]
    words = f"{first.stage} {first.run_id} {study.reason_missing(first)}"
    return words if len(runs) == 1 else f"{words}, and {len(runs) - 1} more"


def _labels(row: "pd.Series[str]") -> str:
    known = {str(name): value for name, value in row.items() if str(name) not in _KEYS}
    return ", ".join(f"{name} {value}" for name, value in known.items() if not pd.isna(value))
