"""`sweep logs`: show what a run printed. Changes nothing."""

import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.errors import ConfigError, RecordError
from orchestrator.plan.plan import Plan
from orchestrator.store.attempts import attempt_numbers
from orchestrator.store.layout import AttemptFolder, RunFolder, StudyFolder
from orchestrator.store.study_plan import load_plan

_POLL_SECONDS = 0.2
"""Time between two looks at a log that is followed."""


def logs(
    study: Annotated[Path, typer.Argument(metavar="STUDY.yaml", help="the study")],
    run: Annotated[str, typer.Argument(metavar="RUN", help="run_id, or how it begins")],
    *,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="change a value")
    ] = None,
    results: Annotated[Path, typer.Option(help="folder of results folders")] = Path("results"),
    follow: Annotated[bool, typer.Option("-f", "--follow", help="go on until it ends")] = False,
    attempt: Annotated[int | None, typer.Option(min=1, help="which try [the newest]")] = None,
) -> None:
    """Show what a run printed.

    Example: sweep logs sweeps/demo.yaml 3f2a -f
    """
    plan = load_plan(study, tuple(overrides or ()), results)
    folder = StudyFolder(results.absolute() / plan.study).run(find_run(plan, run))
    chosen = _attempt(folder, attempt)
    try:
        _show(chosen, follow=follow)
    except KeyboardInterrupt:
        return


def find_run(plan: Plan, prefix: str) -> str:
    """Return the one run whose name begins so.

    Raises:
        ConfigError: if there is none, or more than one.
    """
    found = [run.run_id for run in plan.runs if run.run_id.startswith(prefix)]
    if len(found) == 1:
        return found[0]
    raise ConfigError(
        f"{len(found) or 'no'} runs of {plan.study} begin with {prefix!r}",
        where="RUN",
        mend=f"give one of: {', '.join(found[:8])}" if found else "sweep status --json lists them",
    )


def _attempt(folder: RunFolder, number: int | None) -> AttemptFolder:
    numbers = attempt_numbers(folder)
    chosen = number or (numbers[-1] if numbers else None)
    if chosen in numbers and folder.attempt(chosen).log.exists():
        return folder.attempt(chosen)
    raise RecordError(
        f"run {folder.run_id} has no log" + (f" of attempt {number}" if number else " yet"),
        str(folder.attempts),
        f"attempts so far: {', '.join(map(str, numbers)) or 'none'}",
    )


def _show(attempt: AttemptFolder, *, follow: bool) -> None:
    with attempt.log.open(encoding="utf-8", errors="replace") as log:
        while True:
            ended = attempt.exit.exists()  # asked before the read: then nothing comes after it
            text = log.read()
            sys.stdout.write(text)
            sys.stdout.flush()
            if not text and (ended or not follow):
                return
            if not text:
                time.sleep(_POLL_SECONDS)
