"""Every table that a study asks for."""

from collections.abc import Callable

from analysis.figures.all import is_table
from analysis.figures.drawn import NotDrawn
from analysis.study import StudyResults, open_study
from analysis.tables import (
    table_2,
    table_3,
    table_4,
    table_5,
    table_6,
    table_7,
    table_8,
    table_9,
)
from analysis.tables.tabulated import Tabulated
from analysis.tables.write import save_table
from orchestrator.errors import SweepError
from orchestrator.store.layout import StudyFolder

MODULES: dict[str, Callable[[StudyResults], Tabulated]] = {
    module.NAME: module.tabulate
    for module in (table_2, table_3, table_4, table_5, table_6, table_7, table_8, table_9)
}
"""What makes each table, by its name in a study's `feeds`."""

FROM_PLAN = (table_2.NAME,)
"""Tables that need no arm: every study has them."""


def tabulate_all(folder: StudyFolder) -> tuple[Tabulated | NotDrawn, ...]:
    """Make and save every table that the study's arms feed, and those that need none.

    A table that cannot be made is returned with its reason, and stops no other.

    Raises:
        RecordError: if the plan or the results table is missing or damaged.
    """
    tables = tabulate_study(open_study(folder))
    for item in tables:
        if isinstance(item, Tabulated):
            save_table(item, folder.tables)
    return tables


def tabulate_study(study: StudyResults) -> tuple[Tabulated | NotDrawn, ...]:
    """Make every table of a study, and save none."""
    wanted = sorted({*FROM_PLAN, *(name for name in study.feeds if is_table(name))})
    return tuple(_tabulate(study, name) for name in wanted)


def _tabulate(study: StudyResults, name: str) -> Tabulated | NotDrawn:
    if name not in MODULES:
        return NotDrawn(name=name, reason=f"no module makes it; known: {', '.join(MODULES)}")
    try:
        return MODULES[name](study)
    except SweepError as error:
        return NotDrawn(name=name, reason=f"{error.what} ({error.where})")
