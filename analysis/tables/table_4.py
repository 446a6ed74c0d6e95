"""Table 4: a frozen vision encoder against a trained one, by image ratio."""

from analysis.axis_words import axis_words
from analysis.study import StudyResults
from analysis.tables.lineage import is_frozen
from analysis.tables.score_table import Layout, planned_cells
from analysis.tables.tabulated import Tabulated
from analysis.tables.vqa_table import vqa_table

NAME = "table_4"
LAYOUT = Layout(
    name=NAME,
    title="Vision encoder frozen or trained",
    heading="model, encoder",
    rows=("encoder",),
    columns=("image_ratio",),
)
_WORDS = {True: "frozen", False: "trained", None: "frozen or not: not launched yet"}


def tabulate(study: StudyResults) -> Tabulated:
    """Tabulate VQAv2, or the mean vision score where there is none, by encoder and image ratio.

    Raises:
        RecordError: if nothing of its arms has been measured.
    """
    cells = planned_cells(study, NAME)
    frozen = [_WORDS[is_frozen(study, subject)] for subject in cells["subject"]]
    named = [", ".join(pair) for pair in zip(cells["encoder"], frozen, strict=True)]
    return vqa_table(
        study,
        LAYOUT,
        cells.assign(encoder=named),
        4,
        lambda value: f"{value['model']}, encoder frozen: {value['frozen']}",
        lambda value: axis_words("image_ratio", float(str(value["image_ratio"]))),
    )
