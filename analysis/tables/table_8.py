"""Table 8: the final model against Prismatic 7B."""

from analysis.study import StudyResults
from analysis.tables.against import final_against
from analysis.tables.tabulated import Tabulated

NAME = "table_8"


def tabulate(study: StudyResults) -> Tabulated:
    """Tabulate the final models' vision benchmarks beside Prismatic 7B's.

    Raises:
        RecordError: if nothing of its arms has been measured.
    """
    return final_against(study, 8, "Prismatic 7B")
