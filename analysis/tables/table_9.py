"""Table 9: the final model against PaliGemma 3B."""

from analysis.study import StudyResults
from analysis.tables.against import final_against
from analysis.tables.tabulated import Tabulated

NAME = "table_9"


def tabulate(study: StudyResults) -> Tabulated:
    """Tabulate the final models' vision benchmarks beside PaliGemma 3B's.

    Raises:
        RecordError: if nothing of its arms has been measured.
    """
    return final_against(study, 9, "PaliGemma 3B")
