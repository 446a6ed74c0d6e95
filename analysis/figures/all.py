"""Every figure that a study asks for."""

import os
from collections.abc import Callable, Iterator

from analysis.figures import (
    appendix_g,
    controls,
    figure_3,
    figure_4,
    figure_5,
    figure_6,
    figure_7,
    figure_8,
    figure_9,
    scaling,
)
from analysis.figures.drawn import Drawn, NotDrawn
from analysis.figures.save import save_each
from analysis.study import StudyResults, open_study
from orchestrator.errors import SweepError
from orchestrator.store.layout import StudyFolder

MODULES: dict[str, Callable[[StudyResults], Drawn]] = {
    module.NAME: module.draw
    for module in (
        figure_3,
        figure_4,
        figure_5,
        figure_6,
        figure_7,
        figure_8,
        figure_9,
        appendix_g,
        scaling,
        controls,
    )
}
"""What draws each figure, by its name in a study's `feeds`."""


def draw_all(folder: StudyFolder) -> tuple[Drawn | NotDrawn, ...]:
    """Draw and save every figure that the study's arms feed.

    A figure that cannot be drawn is returned with its reason, and stops no other. An old file of
    it is left where it is.

    Raises:
        RecordError: if the plan or the results table is missing or damaged.
    """
    drawn = _draw_each(open_study(folder))
    return save_each(drawn, folder.figures, processes=os.cpu_count() or 1)


def draw_study(study: StudyResults) -> tuple[Drawn | NotDrawn, ...]:
    """Draw every figure that the study's arms feed, and save none."""
    return tuple(_draw_each(study))


def _draw_each(study: StudyResults) -> Iterator[Drawn | NotDrawn]:
    for name in sorted(study.feeds):
        if not is_table(name):
            yield _draw(study, name)


def is_table(name: str) -> bool:
    """Return whether a name in a study's `feeds` is a table's, which analysis/tables makes."""
    return name.startswith("table_")


def _draw(study: StudyResults, name: str) -> Drawn | NotDrawn:
    if name not in MODULES:
        return NotDrawn(name=name, reason=f"no module draws it; known: {', '.join(MODULES)}")
    try:
        return MODULES[name](study)
    except SweepError as error:
        return NotDrawn(name=name, reason=f"{error.what} ({error.where})")
