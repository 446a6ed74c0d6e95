"""What `sweep why` says of a run: lines for people, an object for scripts."""

from collections import Counter
from collections.abc import Iterable, Iterator

from orchestrator.cli.quantities import amount, count, hours, size
from orchestrator.cli.setting_words import plain, said
from orchestrator.plan.compare.recipe import Contrast
from orchestrator.plan.compare.why import Like, Why
from orchestrator.plan.graph.labels import value_words
from orchestrator.plan.plan import Axis, PlannedRun
from orchestrator.spec.codec import Plain, encode
from orchestrator.spec.run import Evaluate

SHOWN = 8
"""Cells, needed runs and differing settings that are listed; the rest is counted."""

State = dict[str, Plain]
"""Where a run stands, as `sweep status --json` says it."""


def why_object(found: Why, state: State | None) -> dict[str, Plain]:
    """Return everything about a run, with stable keys; `state` is None before a launch."""
    run = found.run
    return {
        **_brief(run),
        "arms": list(run.arms),
        "feeds": list(found.feeds),
        "cells": [_cell_object(cell.arm, cell.axes) for cell in run.cells],
        "models": [each.run_id for each in found.models],
        "chain": [_brief(each) for each in found.chain],
        "needs": [_brief(each) for each in found.needs],
        "needed_by": [_brief(each) for each in found.needed_by],
        "cost": encode(run.cost),
        "from_scratch": encode(found.trained),
        "replaces": found.replaces,
        "saved_tokens": found.saved_tokens,
        "saved_device_hours": found.saved_device_hours,
        "like": _like_object(found.like) if found.like else None,
        "state": state,
    }


def _brief(run: PlannedRun) -> dict[str, Plain]:
    return {"run_id": run.run_id, "stage": run.stage.value, "title": run.title}


def _cell_object(arm: str, axes: Iterable[Axis]) -> dict[str, Plain]:
    return {"arm": arm, **{axis.name: axis.value for axis in axes}}


def _like_object(like: Like) -> dict[str, Plain]:
    return {
        **_brief(like.run),
        "settings": {each.place: _sides(each) for each in like.contrasts},
        "axes": {each.place: _sides(each) for each in like.axes},
    }


def _sides(contrast: Contrast) -> dict[str, Plain]:
    return {"here": plain(contrast.one), "there": plain(contrast.other)}


def why_lines(found: Why, state: State | None) -> Iterator[str]:
    """Return what there is to say about a run, line by line; `state` is None before a launch."""
    run = found.run
    yield f"{run.stage} {run.run_id}: {run.title}"
    if state is not None:
        yield f"It is {state['state']}: {state['reason']}."
    yield from _reasons(found)
    yield f"Feeds {', '.join(found.feeds) or 'no figure or table'}."
    yield from _listed("Needs", found.needs)
    yield from _needed_by(found.needed_by)
    yield from _costs(found)
    if found.like is not None:
        yield from _likeness(found.like, run.stage.value)


def _reasons(found: Why) -> Iterator[str]:
    """Say which cells a run fills itself, or which model it is for."""
    run, last = found.run, found.chain[-1]
    if run.cells:
        yield f"It is a model of the study, and fills {_number(len(run.cells), 'cell')}:"
        yield from _cells(run)
    elif isinstance(run.config, Evaluate):
        asked = found.chain[1]
        opening = f"It asks {run.config.suite.name} of {asked.stage} {asked.run_id}"
        if asked is last:
            yield f"{opening}, which fills:"
        else:
            yield f"{opening}. {_standing(len(found.models), 'model', run)}:"
            for each in found.chain[2:]:
                yield f"  {each.run_id}  {each.stage}: {each.title}"
        yield from _cells(last)
    else:
        yield f"It fills no cell of an arm. {_standing(len(found.models), 'model', run)}:"
        yield f"  {run.run_id}  {run.stage}  (this run)"
        for each in found.chain[1:]:
            yield f"  {each.run_id}  {each.stage}: {each.title}"
        yield from _cells(last)
    if run.cells and len(found.models) > 1:
        yield f"{_standing(len(found.models) - 1, 'other model', run)} as well."


def _standing(models: int, noun: str, run: PlannedRun) -> str:
    verb = "stands" if models == 1 else "stand"
    return f"{_number(models, noun)} of {', '.join(run.arms)} {verb} on it"


def _cells(run: PlannedRun) -> Iterator[str]:
    for cell in run.cells[:SHOWN]:
        axes = ", ".join(f"{axis.name} {value_words(axis.name, axis.value)}" for axis in cell.axes)
        yield f"  arm {cell.arm}: {axes or 'its only cell'}"
    if len(run.cells) > SHOWN:
        yield f"  and {len(run.cells) - SHOWN} more"


def _listed(word: str, runs: tuple[PlannedRun, ...]) -> Iterator[str]:
    yield f"{word}:" if runs else f"{word} no other run."
    for run in runs[:SHOWN]:
        yield f"  {run.run_id}  {run.stage}: {run.title}"
    if len(runs) > SHOWN:
        yield f"  and {len(runs) - SHOWN} more"


def _needed_by(runs: tuple[PlannedRun, ...]) -> Iterator[str]:
    if runs:
        stages = Counter(run.stage.value for run in runs)
        counts = ", ".join(f"{number:,} {stage}" for stage, number in stages.items())
        yield f"Waited for by {_number(len(runs), 'run')}: {counts}."


def _costs(found: Why) -> Iterator[str]:
    cost, trained = found.run.cost, found.trained
    parts = [
        f"{amount(cost.device_hours)} device hours on {cost.devices:,} ({hours(cost.wall_hours)})",
        f"{cost.flops:.3g} FLOP",
        *([f"{count(cost.tokens)} tokens"] if cost.tokens else []),
        *([f"{size(cost.checkpoint_bytes)} of checkpoint"] if cost.checkpoint_bytes else []),
    ]
    yield f"Costs {', '.join(parts)}."
    if trained is not None and trained.tokens > cost.tokens:
        yield (
            f"From the initial weights on: {amount(trained.device_hours)} device hours, "
            f"{trained.flops:.3g} FLOP, {count(trained.tokens)} tokens."
        )
    if found.replaces > 1:
        yield (
            f"It is trained once instead of {found.replaces:,} times, which saves "
            f"{count(found.saved_tokens)} tokens and {amount(found.saved_device_hours)} "
            "device hours."
        )


def _likeness(like: Like, stage: str) -> Iterator[str]:
    number = _number(len(like.contrasts), "setting")
    yield f"Most like {stage} {like.run.run_id}: {like.run.title}"
    yield f"  {number} differ{'s' if len(like.contrasts) == 1 else ''} (here / there):"
    for each in like.contrasts[:SHOWN]:
        yield f"  {each.place}: {said(each.one)} / {said(each.other)}"
    if len(like.contrasts) > SHOWN:
        yield f"  and {len(like.contrasts) - SHOWN} more; --json lists all"


def _number(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
