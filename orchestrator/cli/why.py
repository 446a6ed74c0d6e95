"""`sweep why`: say why a run is in a study, what it stands on, and what it is like."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.quantities import amount, count, hours, size
from orchestrator.cli.setting_words import plain, said
from orchestrator.plan.labels import value_words
from orchestrator.plan.plan import Axis, Plan, PlannedRun
from orchestrator.plan.recipe import Contrast
from orchestrator.plan.why import Like, Why, find_run, why_of
from orchestrator.spec.codec import Plain, encode
from orchestrator.spec.run import Evaluate
from orchestrator.store.layout import StudyFolder
from orchestrator.store.study_file import load_plan

_SHOWN = 8
"""Cells, needed runs and differing settings that are listed; the rest is counted."""


def why(
    study: Annotated[Path, typer.Argument(metavar="STUDY.yaml", help="the study it is in")],
    run: Annotated[str, typer.Argument(metavar="RUN", help="its name, or how that begins")],
    *,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="change a value")
    ] = None,
    results: Annotated[Path, typer.Option(help="folder of results folders")] = Path("results"),
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object")] = False,
) -> None:
    """Say why a run exists: the arms it serves, what it needs and saves, and what it is like.

    Example: sweep why sweeps/paper.yaml 3f2a9c
    """
    plan = load_plan(study, tuple(overrides or ()), results)
    found = why_of(plan, find_run(plan, run))
    state = _state(plan, found.run, StudyFolder(results.absolute() / plan.study))
    if as_json:
        print(json.dumps(_object(found, state)))
    else:
        print("\n".join(_lines(found, state)))


def _state(plan: Plan, run: PlannedRun, folder: StudyFolder) -> dict[str, Plain] | None:
    """Return where a run stands; None for a study that was never launched."""
    if not folder.runs.is_dir():
        return None
    from orchestrator.cli.status import status_objects

    return next(line for line in status_objects(plan, folder) if line["run_id"] == run.run_id)


def _object(found: Why, state: dict[str, Plain] | None) -> dict[str, Plain]:
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


def _lines(found: Why, state: dict[str, Plain] | None) -> Iterator[str]:
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
        yield f"It asks {run.config.suite.name} of {last.stage} {last.run_id}, which fills:"
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
    for cell in run.cells[:_SHOWN]:
        axes = ", ".join(f"{axis.name} {value_words(axis.name, axis.value)}" for axis in cell.axes)
        yield f"  arm {cell.arm}: {axes or 'its only cell'}"
    if len(run.cells) > _SHOWN:
        yield f"  and {len(run.cells) - _SHOWN} more"


def _listed(word: str, runs: tuple[PlannedRun, ...]) -> Iterator[str]:
    yield f"{word}:" if runs else f"{word} no other run."
    for run in runs[:_SHOWN]:
        yield f"  {run.run_id}  {run.stage}: {run.title}"
    if len(runs) > _SHOWN:
        yield f"  and {len(runs) - _SHOWN} more"


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
    for each in like.contrasts[:_SHOWN]:
        yield f"  {each.place}: {said(each.one)} / {said(each.other)}"
    if len(like.contrasts) > _SHOWN:
        yield f"  and {len(like.contrasts) - _SHOWN} more; --json lists all"


def _number(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
