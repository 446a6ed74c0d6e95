"""The pictures that `sweep plan` draws where it is asked to."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.launch.session import outlook
from orchestrator.plan.graph.dot import dot_text
from orchestrator.plan.graph.fold import fold
from orchestrator.plan.limits import Limits
from orchestrator.plan.observed import State
from orchestrator.plan.outlook import Outlook
from orchestrator.plan.plan import Plan
from orchestrator.store.files import write_text
from orchestrator.store.layout import StudyFolder

if TYPE_CHECKING:
    from analysis.plans.picture import Picture

DOT = ".dot"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pictures:
    """Where each picture goes; None for one that is not wanted."""

    graph: Path | None
    """Of the runs and what each needs."""
    gantt: Path | None
    """Of the simulated schedule."""
    grid: Path | None
    """Of the cells of each arm."""


def draw(
    plan: Plan, outlook: Outlook | None, wanted: Pictures, folder: StudyFolder
) -> Iterator[Path]:
    """Draw what is wanted; return the files one after the other.

    Args:
        plan: what is planned.
        outlook: how it would go; the schedule's picture needs it.
        wanted: which pictures, and where they go.
        folder: the study's results.

    Raises:
        ConfigError: if a file's ending names no kind of picture.
        PlanError: if there is nothing to draw, or too much.
    """
    if wanted.graph is not None and wanted.graph.suffix.lower() == DOT:
        write_text(wanted.graph, dot_text(fold(plan.study, plan.runs)))
        yield wanted.graph
    elif wanted.graph is not None:
        from analysis.plans.graph import draw_graph  # here, since the others should not wait for it

        yield from _saved(draw_graph(plan), wanted.graph)
    if wanted.gantt is not None and outlook is not None:
        from analysis.plans.gantt import draw_gantt

        schedule = outlook.schedule
        critical = {step.run_id for step in schedule.critical_path}
        picture = draw_gantt(
            plan, schedule.placements, critical_path=critical, devices=outlook.devices
        )
        yield from _saved(picture, wanted.gantt)
    if wanted.grid is not None:
        from analysis.plans.grid import draw_grid

        yield from _saved(draw_grid(plan, _states(plan, folder)), wanted.grid)


def _states(plan: Plan, folder: StudyFolder) -> dict[str, State] | None:
    """Return where each run stands; None for a study that was never launched."""
    if not folder.path.exists():
        return None
    observed = outlook(plan, folder, Limits(slots=None)).observed
    return {rid: seen.state for rid, seen in observed.items()}


def _saved(picture: "Picture", path: Path) -> tuple[Path, Path]:
    from analysis.plans.picture import save_picture

    return save_picture(picture, path)
