"""What a study was planned to take, what it took, and what sharing saved. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from analysis.report.words import quantity
from analysis.study import PlanRun, StudyResults


@dataclass(frozen=True, slots=True, kw_only=True)
class CostRow:
    """Runs of one stage or arm."""

    name: str
    runs: int
    done: int
    tokens: str
    flops: str
    planned_hours: str
    """Device hours by the plan."""
    measured_hours: str
    """Device hours that its finished runs took."""


def by_stage(study: StudyResults) -> list[CostRow]:
    """Return a row for each stage, in the plan's order, and one for all."""
    stages = list(dict.fromkeys(run.stage for run in study.runs))
    rows = [_row(study, name, [r for r in study.runs if r.stage == name]) for name in stages]
    return [*rows, _row(study, "all", study.runs)]


def by_arm(study: StudyResults) -> list[CostRow]:
    """Return a row for each arm; a run that serves several arms is counted in each."""
    arms = list(dict.fromkeys(arm for run in study.runs for arm in run.arms))
    return [_row(study, name, [r for r in study.runs if name in r.arms]) for name in arms]


def savings(study: StudyResults) -> dict[str, str]:
    """Return what sharing common prefixes saved; empty if the plan does not say."""
    saving = study.plan.get("saving")
    if not isinstance(saving, Mapping):
        return {}
    known = cast(Mapping[str, object], saving)
    return {
        name.replace("_", " "): quantity(float(value))
        for name, value in known.items()
        if isinstance(value, int | float)
    }


def _row(study: StudyResults, name: str, runs: Sequence[PlanRun]) -> CostRow:
    results = study.table.results.drop_duplicates("run_id").set_index("run_id")["device_hours"]
    measured = results.reindex([run.run_id for run in runs]).dropna()
    return CostRow(
        name=name,
        runs=len(runs),
        done=sum(study.is_done(run) for run in runs),
        tokens=quantity(_sum(runs, "tokens")),
        flops=quantity(_sum(runs, "flops")),
        planned_hours=quantity(_sum(runs, "device_hours")),
        measured_hours=quantity(float(measured.sum()) if len(measured) else None),
    )


def _sum(runs: Sequence[PlanRun], name: str) -> float | None:
    """Add up what the plan says; None if it says nothing."""
    known = [value for run in runs if (value := run.number(name)) is not None]
    return sum(known) if known else None
