"""Rows that say how far two rows of a table lie apart, with an interval."""

import math
from collections.abc import Sequence

import pandas as pd

from analysis.intervals import Estimate, mean_over
from analysis.noise import NoiseFloor, of_single_run
from analysis.study import StudyResults
from analysis.tables.score_table import Layout, Lookup, Measured, row_labels
from analysis.tables.tabulated import Entry, Row, Unit


def difference_rows(
    study: StudyResults,
    layout: Layout,
    cells: pd.DataFrame,
    measures: Sequence[Measured],
    sides: tuple[str, str],
) -> tuple[Row, ...]:
    """Return the first side minus the second, for rows whose labels differ in these words alone.

    Args:
        study: what was planned and measured.
        layout: of a table whose columns are `measures` alone.
        cells: its models.
        measures: its columns.
        sides: words of the labels on the left and on the right.
    """
    left, right = sides
    lookup = Lookup(study)
    placed = cells.assign(row=row_labels(study, layout, cells))
    subjects = {str(label): own["subject"].tolist() for label, own in placed.groupby("row")}
    rows: list[Row] = []
    for label, own in subjects.items():
        others = subjects.get(label.replace(left, right)) if left in label else None
        if others is not None:
            entries = {m.words: _difference(lookup, own, others, m) for m in measures}
            words = label.replace(left, f"{left} minus {right.split()[0]}")
            rows.append(Row(label=words, entries=entries))
    return tuple(rows)


def _difference(
    lookup: Lookup, own: Sequence[str], others: Sequence[str], measure: Measured
) -> Entry:
    left, right = lookup.rows(own, measure), lookup.rows(others, measure)
    estimate = None
    if not left.empty and not right.empty:
        estimate = estimated_difference(left, right, lookup.noise(measure))
    both = pd.concat([left, right])
    return Entry(
        unit=Unit.SCORE,
        estimate=estimate,
        missing=lookup.missing([*own, *others], measure),
        run_ids=tuple(both["run_id"]),
        codes=tuple(sorted({str(code) for code in both["code"].dropna()})),
    )


def estimated_difference(
    left: pd.DataFrame, right: pd.DataFrame, noise: NoiseFloor | None
) -> Estimate:
    """Return how far two sets of models lie apart that differ among themselves in seed alone.

    Two or more seeds that both sides have are paired. Otherwise the errors over questions count as
    independent, which the same questions make too large, and the seeds' spread is added if known.
    """
    pairs = left.merge(right, on="seed", suffixes=("", "_other"))
    if len(pairs) >= 2:
        values = (pairs["value"] - pairs["value_other"]).tolist()
        return mean_over(values, [None] * len(values), "seeds, paired")
    value = float(left["value"].mean() - right["value"].mean())
    sides = (left["stderr"], right["stderr"])
    is_known = not any(side.isna().any() for side in sides)
    errors = [float((side**2).sum()) ** 0.5 / len(side) for side in sides]
    error = math.hypot(*errors) if is_known else None
    if noise is not None:
        return of_single_run(value, error, noise, models=2)
    return mean_over([value], [error], "seeds")
