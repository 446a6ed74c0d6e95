"""A study's final models against a published model: what tables 8 and 9 share.

The paper compares with Prismatic 7B and PaliGemma 3B. That table 8 has the first and table 9 the
second is a reading. Their numbers are not at hand: a `results/published/table_8.csv` with the
columns of table 3's would be shown.
"""

from dataclasses import replace

from analysis.published import FOLDER
from analysis.study import StudyResults
from analysis.tables.measures import benchmark_words, benchmarks_of
from analysis.tables.published_rows import with_published
from analysis.tables.score_table import Layout, planned_cells, score_table
from analysis.tables.tabulated import Entry, Row, Tabulated, Unit


def final_against(study: StudyResults, number: int, other: str) -> Tabulated:
    """Tabulate the final models' vision benchmarks beside those of another model.

    Raises:
        RecordError: if nothing of its arms has been measured.
    """
    name = f"table_{number}"
    layout = Layout(
        name=name, title=f"Final model against {other}", heading="model", rows=("model",)
    )
    measures = benchmarks_of(study, "vision")
    ours = score_table(study, layout, planned_cells(study, name), measures)
    if (FOLDER / f"table_{number}.csv").exists():
        return with_published(
            ours,
            number,
            lambda value: str(value["model"]),
            lambda value: benchmark_words(str(value["benchmark"])),
        )
    lacking = (f"{other} (the published numbers of table {number} are not at hand)",)
    absent = Entry(unit=Unit.SCORE, estimate=None, missing=lacking)
    source = f"Keh et al. 2025, arXiv:2503.07603, table {number}"
    row = Row(label=other, entries=dict.fromkeys(ours.columns, absent), source=source)
    return replace(ours, rows=(*ours.rows, row))
