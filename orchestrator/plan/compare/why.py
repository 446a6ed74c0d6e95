"""Why a run is in a plan: what asks for it, what it needs, saves, and most resembles. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from orchestrator.errors import PlanError
from orchestrator.plan.compare.recipe import Contrast, Recipes, contrasts, differing
from orchestrator.plan.lineage import Totals, from_scratch
from orchestrator.plan.plan import Plan, PlannedRun
from orchestrator.spec.run import Evaluate, Stage

MOST_CANDIDATES = 8
"""Runs that are named where a beginning fits several, or none."""

_NEVER_TRAINED_TWICE = (Stage.TOWER_PRETRAIN, Stage.EVALUATE)
"""Stages that `Plan.saving` leaves out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Like:
    """The run of the same stage that differs in the fewest settings."""

    run: PlannedRun
    """That run; the first in the plan's order, where several are equally close."""
    contrasts: tuple[Contrast, ...]
    """Settings in which the two differ, ancestors included: `one` is the run in question's."""
    axes: tuple[Contrast, ...]
    """The same in the words of the study's axes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """What is to be said about one run of a plan."""

    run: PlannedRun
    """The run."""
    needs: tuple[PlannedRun, ...]
    """Runs that must be done before it."""
    needed_by: tuple[PlannedRun, ...]
    """Runs that wait for it, in the plan's order."""
    models: tuple[PlannedRun, ...]
    """Runs with cells of their own that are this run, need it, or are evaluated by it."""
    chain: tuple[PlannedRun, ...]
    """The shortest way from the run to one of `models`, both included."""
    feeds: tuple[str, ...]
    """Figures and tables that its arms feed."""
    trained: Totals | None
    """What its weights took from the initial ones on; None for a run that trains no decoder."""
    replaces: int
    """Trainings that there would be, were each model trained on its own; 1 if nothing is shared."""
    like: Like | None
    """The most similar run; None if it is the only one of its stage."""

    @property
    def saved_tokens(self) -> int:
        """Training tokens that sharing this run saves."""
        return (self.replaces - 1) * self.run.cost.tokens

    @property
    def saved_device_hours(self) -> float:
        """Hours of one device that sharing this run saves."""
        return (self.replaces - 1) * self.run.cost.device_hours


def find_run(plan: Plan, beginning: str) -> PlannedRun:
    """Return the run whose name begins so.

    Raises:
        PlanError: if no run's name does, or those of several; with candidates.
    """
    found = [run for run in plan.runs if run.run_id.startswith(beginning.lower())]
    if len(found) == 1:
        return found[0]
    if found:
        raise PlanError(
            f"the names of {len(found):,} runs of study {plan.study} begin with {beginning!r}",
            where="RUN",
            mend=f"give more of the name: {_named(found)}",
        )
    names = {run.run_id: run for run in plan.runs}
    near = get_close_matches(beginning.lower(), names, n=3, cutoff=0.0)
    raise PlanError(
        f"no run of study {plan.study} has a name that begins with {beginning!r}",
        where="RUN",
        mend="take a name from `sweep plan --json`; the most similar are "
        f"{_named([names[name] for name in near])}",
    )


def why_of(plan: Plan, run: PlannedRun) -> Why:
    """Say why a run is in a plan.

    Args:
        plan: the whole plan.
        run: one of its runs.
    """
    runs = {each.run_id: each for each in plan.runs}
    children = _children(plan)
    if isinstance(run.config, Evaluate):
        ways = _asked_for(run, runs[run.config.parent], children)
    else:
        ways = _reached(run, children)
    models = [name for name in ways if runs[name].cells]
    return Why(
        run=run,
        needs=tuple(runs[name] for name in run.needs),
        needed_by=tuple(children[run.run_id]),
        models=tuple(runs[name] for name in models),
        chain=ways[models[0]],
        feeds=tuple(feed.name for feed in plan.feeds if set(feed.arms) & set(run.arms)),
        trained=from_scratch(plan.runs).get(run.run_id),
        replaces=1 if run.stage in _NEVER_TRAINED_TWICE else len(models),
        like=_like(plan, run),
    )


def _asked_for(
    run: PlannedRun, asked: PlannedRun, children: Mapping[str, list[PlannedRun]]
) -> dict[str, tuple[PlannedRun, ...]]:
    """Return the way from an evaluation to the model it asks, or to those that stand on that."""
    if asked.cells:
        return {asked.run_id: (run, asked)}
    return {name: (run, *way) for name, way in _reached(asked, children).items()}


def _children(plan: Plan) -> dict[str, list[PlannedRun]]:
    children: dict[str, list[PlannedRun]] = {run.run_id: [] for run in plan.runs}
    for run in plan.runs:
        for need in run.needs:
            children[need].append(run)
    return children


def _reached(
    run: PlannedRun, children: Mapping[str, list[PlannedRun]]
) -> dict[str, tuple[PlannedRun, ...]]:
    """Return the shortest way to a run and to each that needs it, the nearest first."""
    ways: dict[str, tuple[PlannedRun, ...]] = {run.run_id: (run,)}
    waiting = [run]
    for each in waiting:  # grows while it is walked: breadth first
        for child in children[each.run_id]:
            if child.run_id not in ways:
                ways[child.run_id] = (*ways[each.run_id], child)
                waiting.append(child)
    return ways


def _like(plan: Plan, run: PlannedRun) -> Like | None:
    others = [each for each in plan.runs if each.stage is run.stage and each is not run]
    if not others:
        return None
    recipes = Recipes(plan.runs)
    own = recipes.of(run)
    like = min(others, key=lambda other: len(differing(own, recipes.of(other))))
    axes = [{axis.name: axis.value for axis in each.axes} for each in (run, like)]
    return Like(
        run=like, contrasts=contrasts(own, recipes.of(like)), axes=contrasts(axes[0], axes[1])
    )


def _named(runs: list[PlannedRun]) -> str:
    shown = [f"{run.run_id} ({run.stage}: {run.title})" for run in runs[:MOST_CANDIDATES]]
    more = len(runs) - len(shown)
    return "; ".join([*shown, *([f"and {more:,} more"] if more else [])])
