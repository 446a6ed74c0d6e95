"""Table 6: which vision encoder."""

from dataclasses import replace

from analysis.study import StudyResults
from analysis.tables.published_rows import published_rows
from analysis.tables.score_table import AVERAGES, Layout, planned_cells, score_table
from analysis.tables.tabulated import Tabulated

NAME = "table_6"
LAYOUT = Layout(
    name=NAME,
    title="Vision encoder: stable scores",
    heading="model, encoder",
    rows=("encoder",),
)


def tabulate(study: StudyResults) -> Tabulated:
    """Tabulate vision and text stable scores by the vision encoder.

    Raises:
        RecordError: if nothing of its arms has been measured.
    """
    ours = score_table(study, LAYOUT, planned_cells(study, NAME), AVERAGES)
    published = published_rows(
        6,
        lambda value: str(value["encoder"]),
        lambda value: f"{value['suite']} stable score",
        ours.columns,
    )
    return replace(ours, rows=(*ours.rows, *published))
