"""Table 6: which vision encoder."""

from analysis.study import StudyResults
from analysis.tables.score_table import Layout
from analysis.tables.stable_scores import stable_scores
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
    return stable_scores(study, LAYOUT, 6, "encoder")
