"""Vision and text stable scores by what one axis says: what tables 5 and 6 share."""

from analysis.study import StudyResults
from analysis.tables.published_rows import with_published
from analysis.tables.score_table import AVERAGES, Layout, planned_cells, score_table
from analysis.tables.tabulated import Tabulated


def stable_scores(study: StudyResults, layout: Layout, number: int, name: str) -> Tabulated:
    """Tabulate both suites' stable scores, with the paper's below.

    Args:
        study: what was planned and measured.
        layout: of the table.
        number: of the published table.
        name: of its column that labels rows.

    Raises:
        RecordError: if nothing of its arms has been measured.
    """
    return with_published(
        score_table(study, layout, planned_cells(study, layout.name), AVERAGES),
        number,
        lambda value: str(value[name]),
        lambda value: f"{value['suite']} stable score",
    )
