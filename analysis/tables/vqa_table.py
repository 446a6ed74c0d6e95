"""VQAv2 by two axes, or the mean vision score where there is none: what tables 4 and 7 share."""

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from analysis.study import StudyResults
from analysis.tables.measures import vqa_v2
from analysis.tables.published_rows import Words, with_published
from analysis.tables.score_table import Layout, score_table
from analysis.tables.tabulated import Row, Tabulated


def vqa_table(  # noqa: PLR0913  (ours, and where the paper's values stand)
    study: StudyResults,
    layout: Layout,
    cells: pd.DataFrame,
    number: int,
    label: Words,
    column: Words,
    *,
    below: Sequence[Row] = (),
) -> Tabulated:
    """Tabulate one score, with the paper's below if it is VQAv2; the title says which it is.

    Args:
        study: what was planned and measured.
        layout: of the table.
        cells: its models.
        number: of the published table.
        label: gives the row of a published value.
        column: gives its column.
        below: further rows of ours.

    Raises:
        RecordError: if nothing of its arms has been measured.
    """
    measure = vqa_v2(study)
    ours = score_table(study, layout, cells, [replace(measure, words="")])
    ours = replace(ours, title=f"{layout.title}: {measure.words}", rows=(*ours.rows, *below))
    return with_published(ours, number, label, column) if measure.words == "VQAv2" else ours
