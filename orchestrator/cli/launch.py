"""`sweep launch`: run a study, and stay until it is done."""

import shlex
import sys
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.live import duration, open_display
from orchestrator.launch.config import LaunchConfig, Start
from orchestrator.launch.interrupt import interruptible
from orchestrator.launch.local import local_backend
from orchestrator.launch.loop import Outcome
from orchestrator.launch.session import end_other_launcher, launch_study, preview
from orchestrator.launch.states import log_of
from orchestrator.launch.submit import Place
from orchestrator.plan.actions import Action, Limits, State, Verb
from orchestrator.plan.plan import Plan
from orchestrator.spec.execution import Device, Execution, Precision
from orchestrator.store.data_folder import ensure_made
from orchestrator.store.layout import StudyFolder
from orchestrator.store.records import Tracking
from orchestrator.store.study_plan import load_plan

SOME_FAILED = 3
"""Exit code when runs failed, or could not start because others did."""

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""


def launch(  # noqa: PLR0913  (each is an option of the command)
    study: Annotated[Path, typer.Argument(metavar="STUDY.yaml", help="the study to run")],
    *,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="change a value")
    ] = None,
    results: Annotated[Path, typer.Option(help="folder of results folders")] = Path("results"),
    data: Annotated[Path, typer.Option(help="folder of data collections")] = Path("results/data"),
    slots: Annotated[
        int | None, typer.Option(min=1, help="runs at once [one a CPU or GPU]")
    ] = None,
    device: Annotated[Device, typer.Option(help="what runs compute on")] = Device.CPU,
    precision: Annotated[Precision, typer.Option(help="of matrix products")] = Precision.FP32,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads of a run")] = 1,
    tracking: Annotated[Tracking, typer.Option(help="who else is told")] = Tracking.OFF,
    cold: Annotated[bool, typer.Option("--cold", help="a fresh Python for each run")] = False,
    retry: Annotated[bool, typer.Option("--retry", help="try failed runs again")] = False,
    once: Annotated[bool, typer.Option("--once", help="start what fits, then leave")] = False,
    stop: Annotated[bool, typer.Option("--stop", help="let running runs save and leave")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="say what would be done")] = False,
) -> None:
    """Run a study and stay until it is done. Launching again goes on where it stands.

    Ctrl-C leaves the runs going; the next launch takes them up again.

    Example: sweep launch sweeps/demo.yaml --slots 2
    """
    plan = load_plan(study, tuple(overrides or ()), results)
    folder = StudyFolder(results.absolute() / plan.study)
    execution = Execution(device=device, precision=precision, threads=threads)
    start = Start.COLD if cold else Start.WARM
    functions = tuple(dict.fromkeys(run.function for run in plan.runs))
    backend = local_backend(execution, slots=slots, start=start, functions=functions)
    if dry_run:
        limits = Limits(slots=backend.slots, retry=retry, stop=stop)
        _print_actions(plan, preview(plan, folder, limits)[0])
        return
    config = LaunchConfig(
        data_root=data.absolute(),
        execution=execution,
        tracking=tracking,
        retry=retry,
        stop=stop,
        once=once,
    )
    if stop:
        end_other_launcher(folder)
    place = Place(study=plan.study, folder=folder, backend=backend, config=config)
    outcome = _launch(plan, place)
    _conclude(plan, place, outcome)


def _launch(plan: Plan, place: Place) -> Outcome:
    display = open_display()

    def prepare() -> None:
        ensure_made(plan, place.config.data_root, lambda line: print(line, file=sys.stderr))

    display.open()
    try:
        return launch_study(plan, place, display, prepare=prepare, leaving=interruptible())
    finally:
        display.close()


def _conclude(plan: Plan, place: Place, outcome: Outcome) -> None:
    """Say how it ended, and exit with the code that says the same."""
    states = Counter(seen.state for seen in outcome.observed.values())
    print(
        f"{plan.study}: {states[State.DONE]} of {len(plan.runs)} runs are done, "
        f"{outcome.finished} of them now, in {duration(outcome.seconds)}; {place.folder.path}"
    )
    if outcome.live:
        again = shlex.join(["sweep", *sys.argv[1:]])
        print(f"{len(outcome.live)} runs go on in the background. To take them up again: {again}")
    for action in outcome.blocked:
        if action.blocker == action.run_id:
            log = log_of(place.folder.run(action.run_id))
            print(f"failed: {action.run_id}: {action.reason}" + (f"\n  log: {log}" if log else ""))
    held = sum(action.blocker != action.run_id for action in outcome.blocked)
    if held:
        print(f"{held} runs wait for them")
    if outcome.interrupted:
        raise typer.Exit(INTERRUPTED)
    if outcome.halted:
        print(f"nothing more was started: {outcome.halted}")
    if outcome.blocked or outcome.halted:
        raise typer.Exit(SOME_FAILED)


def _print_actions(plan: Plan, actions: tuple[Action, ...]) -> None:
    titles = {run.run_id: f"{run.stage.value}: {run.title}" for run in plan.runs}
    for action in actions:
        print(f"{action.verb.value:<7} {action.run_id}  {titles[action.run_id]}  ({action.reason})")
    counts = Counter(action.verb for action in actions)
    print(", ".join(f"{counts[verb]} {verb.value}" for verb in Verb if counts[verb]))
