"""Table 3: a large model with and without image-text pre-training, on each vision benchmark."""

from dataclasses import replace

from analysis.study import StudyResults
from analysis.tables.difference import difference_rows
from analysis.tables.lineage import saw_images
from analysis.tables.measures import benchmark_words, benchmarks_of
from analysis.tables.published_rows import with_published
from analysis.tables.score_table import Layout, planned_cells, score_table
from analysis.tables.tabulated import Tabulated

NAME = "table_3"
WITH, WITHOUT = "with image pre-training", "without image pre-training"
LAYOUT = Layout(
    name=NAME,
    title="With and without image-text pre-training",
    heading="model",
    rows=("model",),
)


def tabulate(study: StudyResults) -> Tabulated:
    """Compare models that went through image-text pre-training with models that did not.

    Raises:
        RecordError: if nothing of its arms has been measured.
    """
    cells = planned_cells(study, NAME)
    words = [WITH if saw_images(study, subject) else WITHOUT for subject in cells["subject"]]
    cells = cells.assign(
        model=[", ".join(pair) for pair in zip(cells["model"], words, strict=True)]
    )
    measures = benchmarks_of(study, "vision")
    ours = score_table(study, LAYOUT, cells, measures)
    differences = difference_rows(study, LAYOUT, cells, measures, (WITH, WITHOUT))
    return with_published(
        replace(ours, rows=(*ours.rows, *differences)),
        3,
        lambda value: f"{value['model']}, {value['row']}",
        lambda value: benchmark_words(str(value["benchmark"])),
    )
