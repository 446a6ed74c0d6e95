"""Scores of an arm's models as a table: what tables 3 to 9 share."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from analysis.axis_words import axis_words
from analysis.figures.curve import SCORE
from analysis.figures.lines import line_axes
from analysis.intervals import Estimate, mean_over
from analysis.noise import NoiseFloor, noise_floor, of_single_run
from analysis.study import StudyResults, scores
from analysis.tables.tabulated import Entry, Row, Tabulated, Unit
from orchestrator.errors import RecordError


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A metric that a column shows."""

    suite: str
    benchmark: str
    metric: str
    words: str
    """Heading; empty where the column is headed by its axes alone."""


AVERAGES = (
    Measured(suite="vision", benchmark="average", metric=SCORE, words="vision stable score"),
    Measured(suite="text", benchmark="average", metric=SCORE, words="text stable score"),
)
"""Columns of tables 5 and 6."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """What a table shows where."""

    name: str
    """Name in a study's `feeds`."""
    title: str
    """What it shows, in a line."""
    heading: str
    """Of the rows' labels."""
    rows: tuple[str, ...]
    """Axes that label rows, after the model; others that tell models apart come behind."""
    columns: tuple[str, ...] = ()
    """Axes that head columns."""


def planned_cells(study: StudyResults, name: str) -> pd.DataFrame:
    """Return the places of the arms that feed a table, measured or not, each once.

    Raises:
        RecordError: if no arm feeds it.
    """
    arms = study.arms_of(name)
    cells = study.table.cells
    own = cells[cells["arm"].isin(list(arms))].rename(columns={"run_id": "subject"})
    if own.empty:
        raise RecordError("no arm of the study feeds it", name, "add it to an arm's `feeds`")
    return own.drop(columns="arm").drop_duplicates().reset_index(drop=True)


def score_table(
    study: StudyResults, layout: Layout, cells: pd.DataFrame, measures: Sequence[Measured]
) -> Tabulated:
    """Tabulate metrics of models by their axes, averaged where the seed alone differs.

    Args:
        study: what was planned and measured.
        layout: what goes where.
        cells: of `planned_cells`, perhaps with labels of the caller's.
        measures: what each column shows.

    Raises:
        RecordError: if nothing of it has been measured.
    """
    labels = row_labels(study, layout, cells)
    heads = [axes_words(cell, layout.columns) for _, cell in cells.iterrows()]
    order = cells.sort_values(list(layout.columns), kind="stable") if layout.columns else cells
    columns = list(dict.fromkeys(heads[int(str(place))] for place in order.index))
    lookup = Lookup(study)
    models = {model: place for place, model in enumerate(dict.fromkeys(cells["model"]))}
    placed = cells.assign(row=labels, head=heads, place=cells["model"].map(models))
    placed = placed.sort_values("place", kind="stable")
    rows: list[Row] = []
    for label, own in placed.groupby("row", sort=False):
        entries: dict[str, Entry] = {}
        for head in columns:
            subjects = own.loc[own["head"] == head, "subject"].tolist()
            for measure in measures:
                if subjects:
                    column = ", ".join(part for part in (head, measure.words) if part)
                    entries[column] = lookup.entry(subjects, measure)
        rows.append(Row(label=str(label), entries=entries))
    if not any(entry.estimate for row in rows for entry in row.entries.values()):
        missing = len({line for row in rows for e in row.entries.values() for line in e.missing})
        raise RecordError(
            f"nothing of its arms has been measured ({missing} runs are missing)",
            f"{layout.name}: {', '.join(study.arms_of(layout.name))}",
            "run `sweep launch`, then `sweep results`",
        )
    headings = [", ".join(p for p in (head, m.words) if p) for head in columns for m in measures]
    return Tabulated(
        name=layout.name,
        title=layout.title,
        caption=f"Arms: {', '.join(study.arms_of(layout.name))}. {interval_note(rows)}",
        heading=layout.heading,
        columns=tuple(headings),
        rows=tuple(rows),
    )


def row_labels(study: StudyResults, layout: Layout, cells: pd.DataFrame) -> list[str]:
    """Return a label for each model: the layout's axes, and what else tells models apart."""
    shown = [*layout.rows, *layout.columns]
    more = line_axes(cells.assign(facet=""), study.table.axes, [n for n in shown if n != "model"])
    axes = list(dict.fromkeys(["model", *layout.rows, *more]))
    return [axes_words(cell, axes) for _, cell in cells.iterrows()]


def axes_words(cell: "pd.Series[str]", axes: Sequence[str]) -> str:
    """Return what a cell has on some axes, in words."""
    return ", ".join(axis_words(name, cell[name]) for name in axes)


def interval_note(rows: Sequence[Row]) -> str:
    """Say what the intervals of a table are over."""
    estimates = [entry.estimate for row in rows for entry in row.entries.values()]
    methods = sorted({estimate.method for estimate in estimates if estimate})
    return f"Scores in %, with 90 % intervals: {'; '.join(methods)}." if methods else ""


class Lookup:
    """Finds what was measured of models, and what is missing; remembers what it looked for."""

    def __init__(self, study: StudyResults) -> None:
        self._study = study
        self._noise: dict[Measured, NoiseFloor | None] = {}
        self._measured: dict[Measured, pd.DataFrame] = {}
        self._evaluations: dict[str, list[str]] = {}
        for run in study.runs:
            if run.stage == "evaluate":
                for need in run.needs:
                    self._evaluations.setdefault(need, []).append(run.run_id)

    def noise(self, measure: Measured) -> NoiseFloor | None:
        """Return the noise floor of a metric, if the study has one."""
        if measure not in self._noise:
            named = (measure.suite, measure.benchmark, measure.metric)
            self._noise[measure] = noise_floor(self._study, *named)
        return self._noise[measure]

    def rows(self, subjects: Sequence[str], measure: Measured) -> pd.DataFrame:
        """Return the measured rows of a metric of some models."""
        if measure not in self._measured:
            named = (measure.suite, measure.benchmark, measure.metric)
            self._measured[measure] = scores(self._study.table.results, *named)
        own = self._measured[measure]
        return own[own["subject"].isin(list(subjects))]

    def entry(self, subjects: Sequence[str], measure: Measured) -> Entry:
        """Average a metric over models that differ in their seed alone."""
        own = self.rows(subjects, measure)
        return Entry(
            unit=Unit.SCORE,
            estimate=self._estimate(own, measure),
            missing=self.missing(subjects, measure),
            run_ids=tuple(own["run_id"]),
            codes=tuple(sorted({str(code) for code in own["code"].dropna()})),
        )

    def missing(self, subjects: Sequence[str], measure: Measured) -> tuple[str, ...]:
        """Name what a metric of some models lacks."""
        lines: list[str] = []
        for subject in subjects:
            if not self.rows([subject], measure).empty:
                continue
            named = [self._study.by_name[name] for name in self._evaluations.get(subject, [])]
            runs = [run for run in named if run.text("suite") == measure.suite]
            lines += [f"{run.title} ({self._why(run.run_id, measure)})" for run in runs]
            if not runs:
                known = self._study.run(subject)
                title = known.title if known else subject
                lines.append(f"{title} (no evaluation on {measure.suite} is planned)")
        return tuple(lines)

    def _why(self, run_id: str, measure: Measured) -> str:
        results = self._study.table.results
        own = results[(results["run_id"] == run_id) & (results["benchmark"] == measure.benchmark)]
        reasons = [str(reason) for reason in own["reason"].dropna()]
        if reasons:
            return f"{measure.benchmark}: {'; '.join(reasons)}"
        if (results["run_id"] == run_id).any():
            return f"it did not measure {measure.benchmark}"
        return self._study.reason_missing(self._study.by_name[run_id])

    def _estimate(self, own: pd.DataFrame, measure: Measured) -> Estimate | None:
        if own.empty:
            return None
        values, errors = own["value"].tolist(), own["stderr"].tolist()
        noise = self.noise(measure)
        if len(values) == 1 and noise is not None:
            return of_single_run(values[0], errors[0], noise)
        return mean_over(values, errors, "seeds")
