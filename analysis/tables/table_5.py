"""Table 5: where the captions come from."""

from analysis.study import StudyResults
from analysis.tables.published_rows import with_published
from analysis.tables.score_table import AVERAGES, Layout, planned_cells, score_table
from analysis.tables.tabulated import Tabulated

NAME = "table_5"
LAYOUT = Layout(
    name=NAME,
    title="Source of captions: stable scores",
    heading="model, captions",
    rows=("captions",),
)


def tabulate(study: StudyResults) -> Tabulated:
    """Tabulate vision and text stable scores by the source of captions.

    Raises:
        RecordError: if nothing of its arms has been measured.
    """
    ours = score_table(study, LAYOUT, planned_cells(study, NAME), AVERAGES)
    return with_published(
        ours,
        5,
        lambda value: str(value["caption_source"]),
        lambda value: f"{value['suite']} stable score",
    )
