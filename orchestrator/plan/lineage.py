"""What a model took in all, its ancestors included. Pure."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from orchestrator.plan.plan import PlannedRun, Saving
from orchestrator.spec.run import (
    Average,
    Evaluate,
    Filter,
    Finetune,
    ImageTextPretrain,
    Stage,
    TextPretrain,
    TowerPretrain,
)

NOT_TRAINING_THE_DECODER = (Stage.TOWER_PRETRAIN, Stage.FILTER, Stage.EVALUATE)
"""Stages whose cost is not part of a model's own training."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Training of one model from its initial weights, or of several."""

    tokens: int = 0
    """Positions trained on."""
    image_tokens: int = 0
    """Positions in sequences of captioned images or instructions."""
    flops: float = 0.0
    """Compute in FLOP."""
    device_hours: float = 0.0
    """Hours of one device."""


def from_scratch(runs: Iterable[PlannedRun]) -> dict[str, Totals]:
    """Return for each training run what its weights took, from the initial ones on.

    What several members of a soup share counts once.

    Args:
        runs: a plan's runs, parents before children.
    """
    totals: dict[str, Totals] = {}
    soups: list[PlannedRun] = []
    by_name: dict[str, PlannedRun] = {}
    for run in runs:
        by_name[run.run_id] = run
        if run.stage in NOT_TRAINING_THE_DECODER:
            continue
        parents = weight_parents(run)
        if len(parents) > 1:
            soups.append(run)
            continue
        before = totals.get(parents[0], Totals()) if parents else Totals()
        totals[run.run_id] = _sum((run,), before)
    for soup in soups:
        totals[soup.run_id] = _sum(_ancestors(soup, by_name, weight_parents))
    return totals


def weight_parents(run: PlannedRun) -> tuple[str, ...]:
    """Return the runs whose decoder weights a run starts from."""
    match run.config:
        case TextPretrain():
            parents = (run.previous,)
        case ImageTextPretrain():
            parents = (run.config.trunk,)
        case Average():
            parents = run.config.members
        case Filter() | Finetune() | Evaluate():
            parents = (run.config.parent,)
        case TowerPretrain():
            parents = ()
    return tuple(parent for parent in parents if parent is not None)


def saving(runs: tuple[PlannedRun, ...]) -> Saving:
    """Return what sharing common prefixes saves, against training each model on its own."""
    alone, once = trained_alone(runs), trained_once(runs)
    return Saving(
        tokens=alone.tokens - once.tokens,
        flops=alone.flops - once.flops,
        device_hours=alone.device_hours - once.device_hours,
    )


def trained_alone(runs: tuple[PlannedRun, ...]) -> Totals:
    """Return what all models in arms would take if each were trained on its own.

    What a model needs beside its own weights' past (a filter and the model that scores for it) is
    trained for each as well.
    """
    by_name = {run.run_id: run for run in runs}
    past = from_scratch(runs)
    total = Totals()
    for run in runs:
        if not run.cells:
            continue
        if _is_plain(run, by_name):
            total = _plus(total, past[run.run_id])
        else:
            total = _sum(_ancestors(run, by_name, lambda each: each.needs), total)
    return total


def trained_once(runs: tuple[PlannedRun, ...]) -> Totals:
    """Return what the plan takes."""
    return _sum(run for run in runs if run.stage not in (Stage.TOWER_PRETRAIN, Stage.EVALUATE))


def _is_plain(run: PlannedRun, by_name: dict[str, PlannedRun]) -> bool:
    """Whether a model's ancestors are one line, its weights' past and a tower."""
    while True:
        config = run.config
        if isinstance(config, TextPretrain | ImageTextPretrain) and config.text_from:
            return False
        if isinstance(config, ImageTextPretrain) and config.captions_from:
            return False
        match weight_parents(run):
            case ():
                return True
            case (parent,):
                run = by_name[parent]
            case _:
                return False


def _ancestors(
    run: PlannedRun,
    by_name: dict[str, PlannedRun],
    parents: Callable[[PlannedRun], tuple[str, ...]],
) -> tuple[PlannedRun, ...]:
    """Return a run and everything before it, each once."""
    found: dict[str, PlannedRun] = {}
    waiting = [run]
    while waiting:
        each = waiting.pop()
        if each.run_id not in found:
            found[each.run_id] = each
            waiting += [by_name[name] for name in parents(each) if name in by_name]
    return tuple(found.values())


def _sum(runs: Iterable[PlannedRun], before: Totals | None = None) -> Totals:
    """Add what runs train themselves, towers left out."""
    total = before or Totals()
    for run in runs:
        if run.stage is not Stage.TOWER_PRETRAIN:
            cost = run.cost
            total = _plus(
                total,
                Totals(
                    tokens=cost.tokens,
                    image_tokens=cost.image_tokens,
                    flops=cost.flops,
                    device_hours=cost.device_hours,
                ),
            )
    return total


def _plus(one: Totals, other: Totals) -> Totals:
    return Totals(
        tokens=one.tokens + other.tokens,
        image_tokens=one.image_tokens + other.image_tokens,
        flops=one.flops + other.flops,
        device_hours=one.device_hours + other.device_hours,
    )
