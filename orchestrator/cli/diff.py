"""`sweep diff`: say what a changed study adds, drops and keeps."""

import gc
import json
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.diff_words import diff_objects, show_diff
from orchestrator.cli.terminal import terminal
from orchestrator.plan.compare.difference import difference
from orchestrator.plan.compare.effect import effects
from orchestrator.plan.plan import Plan
from orchestrator.spec.study import Study
from orchestrator.store.study_file import load_study
from orchestrator.store.study_plan import machine_of, plan_for


def diff(
    before: Annotated[Path, typer.Argument(metavar="A.yaml", help="the study before")],
    after: Annotated[Path, typer.Argument(metavar="B.yaml", help="the study after")],
    *,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="change a value of B")
    ] = None,
    results: Annotated[Path, typer.Option(help="folder of results folders")] = Path("results"),
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object per line")] = False,
) -> None:
    """Say what study B adds to, drops from and keeps of study A, run by run.

    Example: sweep diff sweeps/paper.yaml sweeps/paper.yaml --set stages.finetune.epochs=3
    """
    gc.disable()  # two plans are many small objects and no cycles: looking for these takes time
    one, other = load_study(before), load_study(after, tuple(overrides or ()))
    found = difference(_plan(one, before, results), _plan(other, after, results))
    told = effects(
        one,
        other,
        moved=frozenset(move.contrast.place for move in found.moves),
        is_same=not found.added and not found.dropped,
    )
    if as_json:
        print("\n".join(json.dumps(line) for line in diff_objects(found, told)))
    else:
        show_diff(terminal(), found, told)


def _plan(study: Study, path: Path, results: Path) -> Plan:
    return plan_for(study, machine_of(study, results), path)
