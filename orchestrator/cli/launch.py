"""`sweep launch`: run a study, and stay until it is done."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.launch_words import conclude, print_actions
from orchestrator.cli.live import open_display
from orchestrator.errors import ConfigError
from orchestrator.launch.config import LaunchConfig, Start
from orchestrator.launch.interrupt import interruptible
from orchestrator.launch.local import local_backend
from orchestrator.launch.loop import Outcome
from orchestrator.launch.session import end_other_launcher, launch_study, outlook
from orchestrator.launch.submit import Place
from orchestrator.plan.limits import Limits
from orchestrator.plan.plan import Plan
from orchestrator.spec.execution import Device, Execution, Precision
from orchestrator.spec.launch import Tracking
from orchestrator.store.data_folder import ensure_made
from orchestrator.store.layout import StudyFolder
from orchestrator.store.study_file import load_study
from orchestrator.store.study_plan import machine_of, plan_for


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
    profile: Annotated[
        str | None, typer.Option(metavar="NAME|FILE", help="submit to this Slurm cluster")
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="on a cluster: stay until it is done")
    ] = False,
    snapshot: Annotated[bool, typer.Option(help="jobs of a cluster run the code of now")] = True,
    device: Annotated[Device, typer.Option(help="what runs compute on")] = Device.CPU,
    precision: Annotated[Precision, typer.Option(help="of matrix products")] = Precision.FP32,
    compiled: Annotated[
        bool, typer.Option("--compile", help="compile blocks: slow start, faster steps")
    ] = False,
    memory_gib: Annotated[
        float | None, typer.Option(help="host memory that a run's process may take [no limit]")
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads of a run")] = 1,
    tracking: Annotated[
        Tracking | None, typer.Option(help="who else is told [launch.tracking of the study]")
    ] = None,
    cold: Annotated[bool, typer.Option("--cold", help="a fresh Python for each run")] = False,
    retry: Annotated[bool, typer.Option("--retry", help="try failed runs again")] = False,
    once: Annotated[bool, typer.Option("--once", help="start what fits, then leave")] = False,
    stop: Annotated[bool, typer.Option("--stop", help="let running runs save and leave")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="say what would be done")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="the end, or each action, as a JSON object")
    ] = False,
) -> None:
    """Run a study and stay until it is done. Launching again goes on where it stands.

    With a profile everything is submitted to its Slurm cluster at once, and nobody has to stay.
    Ctrl-C leaves the runs going; the next launch takes them up again.

    Example: sweep launch sweeps/demo.yaml --slots 2
    """
    elsewhere = {"--slots": slots is not None, "--cold": cold, "--once": once}
    here = {"--watch": watch, "--no-snapshot": not snapshot}
    if profile is not None:
        _refuse(elsewhere, "a cluster", "leave it out: Slurm decides, and one round is the usual")
    else:
        _refuse(here, "this machine", "leave it out, or name a cluster with --profile")
    declared = load_study(study, tuple(overrides or ()))
    execution = Execution(
        device=device,
        precision=precision,
        threads=threads,
        compile=compiled,
        memory_gib=memory_gib,
    )
    config = LaunchConfig(
        data_root=data.absolute(),
        execution=execution,
        tracking=declared.launch.tracking if tracking is None else tracking,
        retry=retry,
        stop=stop,
        once=once,
    )
    if profile is not None:
        # submitit is imported for clusters alone
        from orchestrator.cli.launch_cluster import Target, launch_study_on

        target = Target(study=declared, file=study, results=results, profile=profile, config=config)
        launch_study_on(target, dry_run=dry_run, stay=watch, snapshot=snapshot, as_json=as_json)
        return
    plan = plan_for(declared, machine_of(declared, results), study)
    folder = StudyFolder(results.absolute() / plan.study)
    start = Start.COLD if cold else Start.WARM
    functions = tuple(dict.fromkeys(run.function for run in plan.runs))
    backend = local_backend(execution, slots=slots, start=start, functions=functions)
    if dry_run:
        limits = Limits(slots=backend.slots, retry=retry, stop=stop)
        print_actions(plan, outlook(plan, folder, limits).actions, as_json=as_json)
        return
    if stop:
        end_other_launcher(folder)
    place = Place(study=plan.study, folder=folder, backend=backend, config=config)
    outcome = _launch(plan, place)
    conclude(plan, folder, outcome, as_json=as_json)


def _refuse(given: Mapping[str, bool], where: str, mend: str) -> None:
    """Refuse options that mean nothing in this place."""
    for option, is_given in given.items():
        if is_given:
            raise ConfigError(f"{option} means nothing on {where}", option, mend)


def _launch(plan: Plan, place: Place) -> Outcome:
    display = open_display()

    def prepare() -> None:
        ensure_made(plan, place.config.data_root, lambda line: print(line, file=sys.stderr))

    display.open()
    try:
        return launch_study(plan, place, display, prepare=prepare, leaving=interruptible())
    finally:
        display.close()
