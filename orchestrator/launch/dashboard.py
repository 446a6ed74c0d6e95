"""A study's workspace at Weights & Biases: its curves, and its scores over its axes.

wandb-workspaces builds it; nothing is imported before a dashboard is asked for.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from orchestrator.errors import LaunchError
from orchestrator.plan.plan import Plan
from orchestrator.spec.codec import Plain
from orchestrator.spec.run import Stage
from orchestrator.store.files import read_json, write_json
from orchestrator.store.layout import StudyFolder
from orchestrator.store.records import is_done, read_result

CURVES = (("loss", True), ("learning_rate", False), ("grad_norm", True))
"""What runs log at each step, and whether its axis is logarithmic."""

NUMBERS = (int, float)


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """Where a workspace lies."""

    entity: str
    """User or team; empty for the login's own."""
    name: str
    """The project."""


def project_of(plan: Plan) -> Project:
    """Return where the runs' mirrors are: as wandb itself finds out."""
    return Project(
        entity=os.environ.get("WANDB_ENTITY", ""),
        name=os.environ.get("WANDB_PROJECT", plan.study),
    )


def score_names(plan: Plan, folder: StudyFolder) -> tuple[str, ...]:
    """Return the names of the scores that finished runs have, as their mirrors call them."""
    names: set[str] = set()
    for run in plan.runs:
        place = folder.run(run.run_id)
        if is_done(place):
            for measure in read_result(place).measures:
                if measure.value is not None:
                    names.add(f"{measure.suite}/{measure.benchmark}/{measure.metric}")
    return tuple(sorted(names))


def workspace(plan: Plan, scores: Sequence[str], project: Project) -> Any:
    """Return the workspace, not saved anywhere.

    One section has the curves of each stage that trains; one for each axis with several values has
    every score over it.

    Raises:
        LaunchError: if wandb-workspaces is not installed.
    """
    ws, wr = _library()
    sections = [_curves(plan, stage, ws, wr) for stage in Stage if _trains(plan, stage)]
    sections += [_scores(axis, scores, ws, wr) for axis in _varied(plan) if scores]
    return ws.Workspace(
        entity=project.entity, project=project.name, name=plan.study, sections=sections
    )


def write_view(place: Any, folder: StudyFolder) -> None:
    """Write a workspace to the study's `dashboard.json`, as W&B's own interface stores it."""
    view = cast(dict[str, Plain], json.loads(place._to_model().model_dump_json(by_alias=True)))  # noqa: SLF001  (there is no public way to write it down)
    write_json(folder.dashboard, view)


def save(place: Any, folder: StudyFolder) -> str:
    """Make or update the workspace at W&B, and return its address.

    Raises:
        LaunchError: if W&B refuses or cannot be reached.
    """
    known = _known(folder)
    try:
        if known is not None:
            ws, _ = _library()
            old = ws.Workspace.from_url(known)
            old.sections = place.sections
            place = old
        place.save()
    except Exception as error:  # whatever the library raises, down to its HTTP client
        raise LaunchError(
            f"W&B did not take the dashboard: {error}",
            "Weights & Biases",
            "log in with `wandb login`, or write it to a file with --offline",
        ) from error
    write_view(place, folder)
    url = str(place.url)
    write_json(folder.dashboard, {**read_json(folder.dashboard), "url": url})
    return url


def _known(folder: StudyFolder) -> str | None:
    if not folder.dashboard.exists():
        return None
    url = read_json(folder.dashboard).get("url")
    return url if isinstance(url, str) else None


def _library() -> tuple[Any, Any]:
    try:
        import wandb_workspaces.reports.v2 as wr
        import wandb_workspaces.workspaces as ws
    except ImportError as error:
        raise LaunchError(
            "wandb-workspaces is not installed", "sweep dashboard", "pip install wandb-workspaces"
        ) from error
    return ws, wr


def _trains(plan: Plan, stage: Stage) -> bool:
    return any(run.stage is stage and run.cost.steps > 0 for run in plan.runs)


def _varied(plan: Plan) -> list[str]:
    """Return the axes with several numbers as values."""
    values: dict[str, set[Any]] = {}
    for run in plan.runs:
        for axis in run.axes:
            if isinstance(axis.value, NUMBERS) and not isinstance(axis.value, bool):
                values.setdefault(axis.name, set()).add(axis.value)
    return [name for name in plan.columns if len(values.get(name, ())) > 1]


def _curves(plan: Plan, stage: Stage, ws: Any, wr: Any) -> Any:
    arms = sorted({arm for run in plan.runs if run.stage is stage for arm in run.arms})
    return ws.Section(
        name=f"{stage.value}: {', '.join(arms)}",
        is_open=True,
        panels=[
            wr.LinePlot(title=f"{stage.value}: {name}", x="position", y=[name], log_y=is_log)
            for name, is_log in CURVES
        ],
    )


def _scores(axis: str, scores: Sequence[str], ws: Any, wr: Any) -> Any:
    return ws.Section(
        name=f"scores over {axis}",
        is_open=False,
        panels=[
            wr.ScatterPlot(title=name, x=wr.Config(axis), y=wr.SummaryMetric(name))
            for name in scores
        ],
    )
