"""What an analysis reads of a study: its plan, its results, and what is still missing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

import pandas as pd

from analysis.table import Table, load_table
from orchestrator.errors import ConfigError, RecordError
from orchestrator.spec.codec import decode
from orchestrator.store.files import read_json
from orchestrator.store.layout import StudyFolder


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRun:
    """A run as `plan.json` describes it."""

    run_id: str
    """Its name."""
    stage: str
    """What it does."""
    title: str
    """A line for people."""
    arms: tuple[str, ...]
    """Arms it serves."""
    needs: tuple[str, ...]
    """Runs it waits for."""
    values: Mapping[str, object] = field(hash=False)
    """The whole object: axes and costs too."""

    def text(self, name: str) -> str | None:
        """Return a value as text; None if the plan does not say."""
        value = self.values.get(name)
        return None if value is None else str(value)

    def number(self, name: str) -> float | None:
        """Return a number; None if the plan does not say, or says something else."""
        value = self.values.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
        return None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StudyResults:
    """A study's plan and what has been measured of it."""

    folder: StudyFolder
    """Where it lies."""
    name: str
    """The study's name."""
    about: str
    """What it asks."""
    feeds: Mapping[str, tuple[str, ...]]
    """Arms of each figure."""
    plan: Mapping[str, object]
    """The whole of `plan.json`."""
    runs: tuple[PlanRun, ...]
    """Every planned run, parents first."""
    by_name: Mapping[str, PlanRun]
    """The same by their names."""
    table: Table
    """What was measured."""

    def arms_of(self, figure: str) -> tuple[str, ...]:
        """Return the arms that feed a figure; none if the study does not ask for it."""
        return self.feeds.get(figure, ())

    def run(self, run_id: str) -> PlanRun | None:
        """Return a planned run by its name."""
        return self.by_name.get(run_id)

    def is_done(self, run: PlanRun) -> bool:
        """Return whether a run left its marker."""
        return self.folder.run(run.run_id).done.exists()

    def reason_missing(self, run: PlanRun) -> str:
        """Say in words why a run has no result."""
        attempts = self.folder.run(run.run_id).attempts
        numbers = sorted(int(p.name) for p in attempts.glob("*") if p.name.isdigit())
        if not numbers:
            return _waiting(self, run)
        exit_path = self.folder.run(run.run_id).attempt(numbers[-1]).exit
        if not exit_path.exists():
            return "started, not finished"
        try:
            record = read_json(exit_path)
        except RecordError as error:
            return error.what
        cause, message = record.get("cause"), record.get("message")
        return ": ".join(str(part) for part in (cause, message) if part) or "ended, no result"

    def missing(self, arms: Sequence[str], suites: Sequence[str]) -> tuple[PlanRun, ...]:
        """Return the planned evaluations of some suites in some arms that are not in the table."""
        measured = set(self.table.results["run_id"])
        return tuple(
            run
            for run in self.runs
            if run.stage == "evaluate"
            and set(run.arms) & set(arms)
            and run.text("suite") in suites
            and run.run_id not in measured
        )

    def codes(self, run_ids: Sequence[str]) -> tuple[str, ...]:
        """Return the code versions that made some runs."""
        rows = self.table.results[self.table.results["run_id"].isin(list(run_ids))]
        return tuple(sorted({str(code) for code in rows["code"].dropna()}))


def open_study(folder: StudyFolder) -> StudyResults:
    """Read a study's plan and tables.

    Raises:
        RecordError: if a file is missing or damaged.
    """
    plan = read_json(folder.plan_json)
    try:
        runs = tuple(_run(item, i) for i, item in enumerate(_list(plan.get("runs"), "runs")))
        return StudyResults(
            folder=folder,
            name=decode(str, plan.get("study"), "study"),
            about=decode(str, plan.get("about"), "about"),
            feeds=_feeds(plan.get("feeds")),
            plan=plan,
            runs=runs,
            by_name={run.run_id: run for run in runs},
            table=load_table(folder),
        )
    except ConfigError as error:
        mend = "run `sweep launch` to write the plan again"
        raise RecordError(error.what, f"{folder.plan_json}: {error.where}", mend) from error


def scores(rows: pd.DataFrame, suite: str, benchmark: str, metric: str) -> pd.DataFrame:
    """Return the measured rows of one metric; absent values are left out."""
    chosen = rows[
        (rows["suite"] == suite) & (rows["benchmark"] == benchmark) & (rows["metric"] == metric)
    ]
    return chosen[chosen["value"].notna()]


def where(frame: pd.DataFrame, column: str, value: object) -> pd.DataFrame:
    """Return the rows in which a column has a value."""
    return frame[frame[column] == value]


def _waiting(study: StudyResults, run: PlanRun) -> str:
    for need in run.needs:
        parent = study.run(need)
        if parent is not None and not study.is_done(parent):
            return f"waits for {parent.title}"
    return "not started"


def _feeds(value: object) -> dict[str, tuple[str, ...]]:
    items = _mapping(value, "feeds")
    return {name: decode(tuple[str, ...], arms, f"feeds.{name}") for name, arms in items.items()}


def _run(value: object, index: int) -> PlanRun:
    where = f"runs[{index}]"
    item = _mapping(value, where)
    return PlanRun(
        run_id=decode(str, item.get("run_id"), f"{where}.run_id"),
        stage=decode(str, item.get("stage"), f"{where}.stage"),
        title=decode(str, item.get("title"), f"{where}.title"),
        arms=decode(tuple[str, ...], item.get("arms"), f"{where}.arms"),
        needs=decode(tuple[str, ...], item.get("needs"), f"{where}.needs"),
        values=item,
    )


def _mapping(value: object, where: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise ConfigError(f"{value!r} is no mapping", where, "give names and values")
    return cast(dict[str, object], value)


def _list(value: object, where: str) -> list[object]:
    if not isinstance(value, list):
        raise ConfigError(f"{value!r} is no list", where, "give a list")
    return cast(list[object], value)
