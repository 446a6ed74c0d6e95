"""Look at a part of a plan: some arms, figures or models, with all that they need. Pure."""

from collections.abc import Collection
from dataclasses import dataclass, replace

from orchestrator.errors import PlanError
from orchestrator.plan.lineage import saving
from orchestrator.plan.plan import Plan, PlannedRun
from orchestrator.spec.run import Evaluate
from orchestrator.spec.suite import SuiteKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What is looked at; what is empty narrows nothing."""

    arms: tuple[str, ...] = ()
    """Names of arms."""
    figures: tuple[str, ...] = ()
    """Names of figures and tables; a bare number is a figure's."""
    models: tuple[str, ...] = ()
    """Names of models."""


def narrow(plan: Plan, part: Part) -> Plan:
    """Return the plan of a part of the study, with the runs that it needs.

    Raises:
        PlanError: if an arm, figure or model is not in the plan.
    """
    arms = _chosen_arms(plan, part)
    known = {str(axis.value) for run in plan.runs for axis in run.axes if axis.name == "model"}
    for model in part.models:
        if model not in known:
            raise _unknown("model", model, known)
    subjects = [
        run.run_id
        for run in plan.runs
        if (arms is None or any(cell.arm in arms for cell in run.cells))
        and (not part.models or _model(run) in part.models)
        and run.cells
    ]
    kept = _with_kin(plan, subjects, arms)
    runs = tuple(
        run if arms is None else replace(run, arms=tuple(arm for arm in run.arms if arm in arms))
        for run in plan.runs
        if run.run_id in kept
    )
    left = [arm for arm in plan.arms if arms is None or arm.name in arms]
    return replace(plan, runs=runs, arms=tuple(left), saving=saving(runs))


def _chosen_arms(plan: Plan, part: Part) -> frozenset[str] | None:
    """Return the arms that are named or feed a named figure; None for all of them."""
    if not part.arms and not part.figures:
        return None
    known = [arm.name for arm in plan.arms]
    for name in part.arms:
        if name not in known:
            raise _unknown("arm", name, known)
    chosen = set(part.arms)
    feeds = {feed.name: feed.arms for feed in plan.feeds}
    for figure in part.figures:
        name = f"figure_{figure}" if figure.isdigit() else figure
        if name not in feeds:
            raise _unknown("figure or table", name, feeds)
        chosen.update(feeds[name])
    return frozenset(chosen)


def _with_kin(plan: Plan, subjects: Collection[str], arms: frozenset[str] | None) -> frozenset[str]:
    """Return some models with everything that they need and what the arms ask of them."""
    asked = set(subjects)
    wanted = _with_needs(plan, asked)
    for run in plan.runs:
        if isinstance(run.config, Evaluate) and (arms is None or arms & set(run.arms)):
            before_tuning = run.config.suite.kind is SuiteKind.HELD_OUT
            if run.config.parent in (wanted if before_tuning else asked):
                wanted.add(run.run_id)
    return frozenset(_with_needs(plan, wanted))


def _with_needs(plan: Plan, names: Collection[str]) -> set[str]:
    wanted = set(names)
    for run in reversed(plan.runs):
        if run.run_id in wanted:
            wanted.update(run.needs)
    return wanted


def _model(run: PlannedRun) -> str | None:
    return next((str(axis.value) for axis in run.axes if axis.name == "model"), None)


def _unknown(kind: str, name: str, known: Collection[str]) -> PlanError:
    return PlanError(
        f"the study has no {kind} {name!r}",
        where=f"--{kind.split()[0]}",
        mend=f"choose from: {', '.join(sorted(known)) or 'none, as nothing in it is called so'}",
    )
