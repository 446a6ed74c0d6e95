"""What a figure module gives back."""

from dataclasses import dataclass

import pandas as pd
from matplotlib.figure import Figure

from analysis.study import PlanRun, StudyResults


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Drawn:
    """A picture with the numbers in it."""

    name: str
    """Name in a study's `feeds`, and of the files."""
    title: str
    """What it shows, in a line."""
    caption: str
    """How to read it, what the intervals are, and what is missing."""
    figure: Figure
    """The picture."""
    data: pd.DataFrame
    """The plotted numbers, one row each, with `run_ids` and `code`."""
    missing: tuple[str, ...]
    """Planned runs that are not in it, each with its reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotDrawn:
    """A figure that could not be drawn."""

    name: str
    """Name in a study's `feeds`."""
    reason: str
    """Why."""


def missing_lines(study: StudyResults, runs: tuple[PlanRun, ...]) -> tuple[str, ...]:
    """Return a line for each missing run: what it is and why it is missing."""
    return tuple(f"{run.title} ({study.reason_missing(run)})" for run in runs)
