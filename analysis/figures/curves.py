"""Scores against one axis of a study, a line for each model: what most figures share."""

from collections.abc import Sequence

import pandas as pd

from analysis.figures.curve import AVERAGES, BLIND, TRUNK_LINE, Curve
from analysis.figures.curve_frame import curve_frame
from analysis.figures.curve_panel import draw_panel, handles_of, key_of
from analysis.figures.drawn import Drawn, missing_lines
from analysis.figures.style import finish, interval_words, legend_beside, panels
from analysis.study import StudyResults, where
from orchestrator.errors import RecordError


def draw_curve(study: StudyResults, curve: Curve) -> Drawn:
    """Draw a curve figure, with the paper's numbers where comparable models were measured.

    Raises:
        RecordError: if no arm feeds it, or nothing of its arms has been measured.
    """
    arms = study.arms_of(curve.name)
    suites = [panel.suite for panel in AVERAGES]
    suites += [f"{suite}{BLIND}" for suite in suites if curve.has_blind]
    missing = missing_lines(study, study.missing(arms, suites))
    frame = curve_frame(study.table.rows(arms), _planned(study, arms), study.table.axes, curve)
    data, columns = frame.data, frame.panels
    if data.empty or not (data["line"] != TRUNK_LINE).any():
        raise RecordError(
            f"nothing of its arms has been measured ({len(missing)} evaluations are missing)",
            f"{curve.name}: {', '.join(arms) or 'no arm feeds it'}",
            "run `sweep launch`, then `sweep results`",
        )
    facets = list(dict.fromkeys(data["facet"]))
    figure, grid = panels(len(facets), len(columns))
    key = key_of(data, frame.channels, curve.axis)
    for row, facet in enumerate(facets):
        for column, panel in enumerate(columns):
            axes = grid[row, column]
            draw_panel(axes, where(where(data, "panel", panel.words), "facet", facet), key, curve)
            heading = f"{panel.words} ({facet.replace('_', ' ')})" if facet else panel.words
            axes.set_title(heading, fontsize=9, loc="left")
            axes.set_ylabel(panel.label, fontsize=8)
            if facet == facets[-1]:
                axes.set_xlabel(curve.label, fontsize=8)
    legend_beside(figure, handles_of(data, key))
    finish(figure, curve.title, missing)
    return Drawn(
        name=curve.name,
        title=curve.title,
        caption=_caption(data, arms),
        figure=figure,
        data=data,
        missing=missing,
    )


def _planned(study: StudyResults, arms: Sequence[str]) -> pd.DataFrame:
    """Return the models planned in some arms, arm by arm, with the suites planned for each."""
    suites: dict[str, str] = {}
    for run in study.runs:
        if run.stage == "evaluate":
            for subject in run.needs:
                suites[subject] = f"{suites.get(subject, ';')}{run.text('suite')};"
    cells = study.table.cells
    own = pd.concat([where(cells, "arm", arm) for arm in arms]) if arms else cells.iloc[:0]
    return own.assign(suites=[suites.get(subject, "") for subject in own["run_id"]])


def _caption(data: pd.DataFrame, arms: Sequence[str]) -> str:
    methods = data.loc[data["kind"] == "mean", "interval"].tolist()
    published = (
        " Values marked published are the paper's." if "published" in set(data["kind"]) else ""
    )
    return (
        f"Arms: {', '.join(arms)}. Stable score: mean over the suite's benchmarks of the score "
        "above chance. Lines join means, and break where a planned point is missing; they stand "
        f"side by side at each place; faint points are single models.{_blind_words(data)} "
        f"{interval_words(methods)}{published}"
    )


def _blind_words(data: pd.DataFrame) -> str:
    if not data["suite"].str.endswith(BLIND).any():
        return ""
    return " Faint lines: the same questions without the image."
