"""Figure 3: learning rates of the trunk and of each branch, against tokens seen."""

import json
from collections.abc import Iterator
from typing import Literal, cast

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter

from analysis.figures.drawn import Drawn
from analysis.figures.style import COLOURS, GREY, finish, legend_beside, panels
from analysis.study import PlanRun, StudyResults, where
from orchestrator.errors import RecordError
from orchestrator.store.files import read_json

NAME = "figure_3"
TITLE = "Schedules: learning rate of the trunk and of each branch"
TRUNK = "trunk"

_STYLES: dict[str, Literal["-", "--", ":"]] = {
    "inherited": "-",
    "rewarmed": "--",
    "equal_peak": ":",
}
_OTHER_STYLE: Literal["-."] = "-."


def draw(study: StudyResults) -> Drawn:
    """Draw logged learning rates of the first seed, a panel for each model.

    Raises:
        RecordError: if no run of its arms has logged a learning rate.
    """
    arms = study.arms_of(NAME)
    runs = _first_seed(study, arms)
    data = _frame(study, runs)
    silent = [run for run in runs if data.empty or run.run_id not in set(data["run_ids"])]
    if data.empty:
        raise RecordError(
            f"none of {len(runs)} runs has logged a learning rate",
            f"{NAME}: {', '.join(arms) or 'no arm feeds it'}",
            "run `sweep launch`",
        )
    models = list(dict.fromkeys(data["model"]))
    points = sorted(data.loc[data["line"] != TRUNK, "line"].unique(), key=_share)
    figure, grid = panels(1, len(models))
    for axes, model in zip(grid[0], models, strict=True):
        _panel(axes, where(data, "model", model), points)
        axes.set_title(model, fontsize=9, loc="left")
    legend_beside(figure, _handles(data, points))
    missing = tuple(f"{run.title} ({study.reason_missing(run)})" for run in silent)
    finish(figure, TITLE, missing)
    return Drawn(
        name=NAME,
        title=TITLE,
        caption=f"Arms: {', '.join(arms)}, first seed. As logged at each step; a branch begins "
        "where it leaves the trunk. Line style: learning-rate rule.",
        figure=figure,
        data=data,
        missing=missing,
    )


def _first_seed(study: StudyResults, arms: tuple[str, ...]) -> list[PlanRun]:
    """Return trunk segments and branches of the arms, of the lowest seed of each model."""
    chosen = [
        run
        for run in study.runs
        if run.stage in ("text_pretrain", "image_text_pretrain") and set(run.arms) & set(arms)
    ]
    first: dict[str, float] = {}
    for run in chosen:
        model, seed = run.text("model") or "", run.number("seed") or 0.0
        first[model] = min(seed, first.get(model, seed))
    return [run for run in chosen if (run.number("seed") or 0.0) == first[run.text("model") or ""]]


def _frame(study: StudyResults, runs: list[PlanRun]) -> pd.DataFrame:
    return pd.DataFrame([row for run in runs for row in _rows(study, run)])


def _rows(study: StudyResults, run: PlanRun) -> Iterator[dict[str, object]]:
    logged = list(_logged(study, run))
    if not logged:
        return  # it is named as missing; a run that was never launched has no config on disk
    is_trunk = run.stage == "text_pretrain"
    begin = 0.0 if is_trunk else _branch_start(study, run)
    point, rule = run.number("cooldown_point"), run.text("learning_rate_rule")
    code = ";".join(study.codes([run.run_id]))
    for position, rate in logged:
        yield {
            "model": run.text("model") or "",
            "line": TRUNK if is_trunk else f"from {point or 0:.0%}",
            "cooldown_point": point,
            "learning_rate_rule": "" if is_trunk else rule or "",
            "tokens": begin + position,
            "learning_rate": rate,
            "run_ids": run.run_id,
            "code": code,
        }


def _branch_start(study: StudyResults, run: PlanRun) -> float:
    """Return the tokens that the trunk had seen when the branch left it."""
    config = read_json(study.folder.run(run.run_id).run_json).get("config")
    start = cast(dict[str, object], config).get("text_start") if isinstance(config, dict) else None
    if not isinstance(start, int):
        where = str(study.folder.run(run.run_id).run_json)
        raise RecordError("a branch does not say where it begins (text_start)", where, "launch it")
    return float(start)


def _logged(study: StudyResults, run: PlanRun) -> Iterator[tuple[float, float]]:
    """Yield position and learning rate of each logged step; a cut-off last line is skipped."""
    path = study.folder.run(run.run_id).metrics
    if not path.exists():
        return
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            row = cast(dict[str, object], json.loads(line))
        except ValueError:
            continue
        position, rate = row.get("position"), row.get("learning_rate")
        if isinstance(position, int | float) and isinstance(rate, int | float):
            yield float(position), float(rate)


def _panel(axes: Axes, data: pd.DataFrame, points: list[str]) -> None:
    trunk = where(data, "line", TRUNK).sort_values("tokens")
    axes.plot(trunk["tokens"], trunk["learning_rate"], color=GREY, linewidth=2.2)
    for run_id, group in data[data["line"] != TRUNK].groupby("run_ids", sort=False):
        axes.plot(
            group["tokens"],
            group["learning_rate"],
            color=_colour(points, str(group["line"].iloc[0])),
            linestyle=_STYLES.get(str(group["learning_rate_rule"].iloc[0]), _OTHER_STYLE),
            linewidth=1.3,
            gid=str(run_id),
        )
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.set_xlabel("tokens seen", fontsize=8)
    axes.set_ylabel("learning rate", fontsize=8)


def _handles(data: pd.DataFrame, points: list[str]) -> list[Line2D]:
    """Explain colours (branch points) and line styles (rules) apart from each other."""
    handles = [Line2D([], [], color=GREY, linewidth=2.2, label=TRUNK)]
    handles += [Line2D([], [], color=_colour(points, point), label=point) for point in points]
    rules = [rule for rule in dict.fromkeys(data["learning_rate_rule"]) if rule]
    handles += [
        Line2D(
            [],
            [],
            color="black",
            linewidth=1,
            linestyle=_STYLES.get(rule, _OTHER_STYLE),
            label=str(rule).replace("_", " "),
        )
        for rule in rules
    ]
    return handles


def _colour(points: list[str], point: str) -> str:
    return COLOURS[points.index(point) % len(COLOURS)]


def _share(line: str) -> float:
    return float(line.removeprefix("from ").removesuffix("%"))
