"""What a study was planned to take, what it took, and what sharing saved."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from analysis.report.words import ABSENT, quantity
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
    """Device hours that the plan gives all of its runs."""
    done_planned_hours: str
    """Device hours that the plan gives the finished ones."""
    done_hours: str
    """Device hours that the finished ones took, over all of their attempts."""
    ratio: str
    """The last over the one before."""
    unfinished_hours: str
    """Device hours that went into runs without a result."""


def by_stage(study: StudyResults, spent: Mapping[str, float | None]) -> list[CostRow]:
    """Return a row for each stage, in the plan's order, and one for all.

    Args:
        study: what was planned.
        spent: device hours of each run's attempts, by run_id; None where nothing is recorded.
    """
    stages = list(dict.fromkeys(run.stage for run in study.runs))
    rows = [_row(study, name, [r for r in study.runs if r.stage == name], spent) for name in stages]
    return [*rows, _row(study, "all", study.runs, spent)]


def by_arm(study: StudyResults, spent: Mapping[str, float | None]) -> list[CostRow]:
    """Return a row for each arm; a run that serves several arms is counted in each."""
    arms = list(dict.fromkeys(arm for run in study.runs for arm in run.arms))
    return [_row(study, name, [r for r in study.runs if name in r.arms], spent) for name in arms]


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


def _row(
    study: StudyResults, name: str, runs: Sequence[PlanRun], spent: Mapping[str, float | None]
) -> CostRow:
    done = [run for run in runs if study.is_done(run)]
    ids = {run.run_id for run in done}
    known = [run for run in done if spent[run.run_id] is not None]
    planned, took = _sum_planned(known, "device_hours"), _sum_spent(known, spent)
    lost = [run for run in runs if run.run_id not in ids]
    return CostRow(
        name=name,
        runs=len(runs),
        done=len(done),
        tokens=quantity(_sum_planned(runs, "tokens")),
        flops=quantity(_sum_planned(runs, "flops")),
        planned_hours=quantity(_sum_planned(runs, "device_hours")),
        done_planned_hours=quantity(planned),
        done_hours=quantity(took),
        ratio=f"{took / planned:.3g}" if took is not None and planned else ABSENT,
        unfinished_hours=quantity(_sum_spent(lost, spent)),
    )


def _sum_planned(runs: Sequence[PlanRun], name: str) -> float | None:
    """Add up what the plan says; None if it says nothing."""
    known = [value for run in runs if (value := run.number(name)) is not None]
    return sum(known) if known else None


def _sum_spent(runs: Sequence[PlanRun], spent: Mapping[str, float | None]) -> float | None:
    known = [hours for run in runs if (hours := spent[run.run_id]) is not None]
    return sum(known) if known else None
