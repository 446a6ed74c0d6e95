"""Table 7: the same models under several seeds, and the noise floor that follows."""

from dataclasses import replace

import numpy as np
import pandas as pd

from analysis.axis_words import axis_words
from analysis.intervals import Estimate
from analysis.noise import noise_floor
from analysis.study import StudyResults
from analysis.tables.measures import vqa_v2
from analysis.tables.score_table import (
    Layout,
    Lookup,
    Measured,
    axes_words,
    planned_cells,
    row_labels,
)
from analysis.tables.tabulated import Entry, Row, Tabulated, Unit
from analysis.tables.vqa_table import vqa_table

NAME = "table_7"
AXES = ("image_ratio", "epochs")
LAYOUT = Layout(name=NAME, title="Seeds", heading="model, seed", rows=("seed",), columns=AXES)
SPREAD = "standard deviation over seeds"


def tabulate(study: StudyResults) -> Tabulated:
    """Tabulate VQAv2, or the mean vision score where there is none, by seed.

    Raises:
        RecordError: if nothing of its arms has been measured.
    """
    cells = planned_cells(study, NAME)
    measure = vqa_v2(study)
    ours = vqa_table(
        study,
        LAYOUT,
        cells,
        7,
        lambda value: f"seed {value['seed']}",
        lambda value: ", ".join(axis_words(name, value[name]) for name in AXES),
        below=_spreads(study, cells, measure),
    )
    noise = noise_floor(study, measure.suite, measure.benchmark, measure.metric)
    words = f"{noise.words[0].upper()}{noise.words[1:]}." if noise else "No noise floor: one seed."
    return replace(ours, caption=f"{ours.caption} {words}")


def _spreads(study: StudyResults, cells: pd.DataFrame, measure: Measured) -> tuple[Row, ...]:
    """Return for each model and setting the deviation over its seeds, where there are several."""
    lookup = Lookup(study)
    heads = [axes_words(cell, AXES) for _, cell in cells.iterrows()]
    placed = cells.assign(head=heads, row=row_labels(study, replace(LAYOUT, rows=()), cells))
    rows: list[Row] = []
    for label, own in placed.groupby("row", sort=False):
        entries: dict[str, Entry] = {}
        for head, group in own.groupby("head", sort=False):
            found = lookup.rows(group["subject"].tolist(), measure)
            if found["seed"].nunique() > 1:
                spread = float(np.std(found["value"].to_numpy(), ddof=1))
                entries[str(head)] = Entry(
                    unit=Unit.SCORE,
                    estimate=Estimate(
                        value=spread, low=None, high=None, n=len(found), method=SPREAD
                    ),
                    run_ids=tuple(found["run_id"]),
                )
        if entries:
            rows.append(Row(label=f"{label}, {SPREAD}", entries=entries))
    return tuple(rows)
