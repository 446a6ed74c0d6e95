"""Table 6: which vision encoder."""

from analysis.study import StudyResults
from analysis.tables.published_rows import with_published
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
    return with_published(
        ours,
        6,
        lambda value: str(value["encoder"]),
        lambda value: f"{value['suite']} stable score",
    )
