"""Table 5: where the captions come from."""

from analysis.study import StudyResults
from analysis.tables.score_table import Layout
from analysis.tables.stable_scores import stable_scores
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
    return stable_scores(study, LAYOUT, 5, "caption_source")
