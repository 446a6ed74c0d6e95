"""`sweep plan`: show what a study would run, share and cost. Starts nothing."""

import json
import os
from dataclasses import fields
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.plan_tables import show
from orchestrator.cli.terminal import terminal
from orchestrator.errors import ConfigError
from orchestrator.plan.makespan.failures import FailureRates
from orchestrator.plan.narrow import Part, narrow
from orchestrator.plan.outlook import outlook
from orchestrator.store.data_folder import missing_data
from orchestrator.store.layout import StudyFolder
from orchestrator.store.plan_csv import plan_csv
from orchestrator.store.plan_file import run_objects
from orchestrator.store.records import is_done
from orchestrator.store.study_file import load_study
from orchestrator.store.study_plan import machine_of, plan_for


def plan(  # noqa: PLR0913  (Typer declares an option by an argument)
    study: Annotated[Path, typer.Argument(metavar="STUDY.yaml", help="the study to plan")],
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="change a value")
    ] = None,
    profile: Annotated[
        str | None, typer.Option(metavar="NAME", help="a cluster of slurm/profiles, or a file")
    ] = None,
    gpus: Annotated[
        int | None, typer.Option(min=1, help="devices to plan for, instead of the profile's")
    ] = None,
    longest_hours: Annotated[
        float | None,
        typer.Option(
            min=0.01, help="let models without a layout take GPUs until a run is done in this time"
        ),
    ] = None,
    arm: Annotated[list[str] | None, typer.Option(help="only this arm")] = None,
    figure: Annotated[
        list[str] | None, typer.Option(help="only what this figure or table needs: 5, table_7")
    ] = None,
    model: Annotated[list[str] | None, typer.Option(help="only this model")] = None,
    failures: Annotated[
        str | None,
        typer.Option(
            metavar="RATES",
            help="simulate failures: `published`, or node_mtbf_hours=1000,"
            "preemptions_per_job_hour=0.01,requeue_delay_hours=0.1,checkpoint_interval_hours=0.5",
        ),
    ] = None,
    graph: Annotated[
        Path | None, typer.Option(metavar="FILE", help="draw the runs: .dot, .svg or .png")
    ] = None,
    gantt: Annotated[
        Path | None, typer.Option(metavar="FILE", help="draw the simulated schedule: .svg or .png")
    ] = None,
    grid: Annotated[
        Path | None, typer.Option(metavar="FILE", help="draw the cells of each arm: .svg or .png")
    ] = None,
    then_fit: Annotated[
        bool, typer.Option("--then-fit", help="show how wide the law's intervals will be")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object per run")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="one line per run")] = False,
    results: Annotated[Path, typer.Option(help="folder of results folders")] = Path("results"),
    data: Annotated[Path | None, typer.Option(help="folder of data collections")] = None,
) -> None:
    """Show what a study would run, what it shares, what it costs and how long it takes.

    Example: sweep plan sweeps/paper.yaml --figure 5 --profile a100
    """
    declared = load_study(study, tuple(overrides or ()))
    machine = machine_of(declared, results, profile, gpus, longest_hours)
    planned = plan_for(declared, machine, study)
    if arm or figure or model:
        part = Part(arms=tuple(arm or ()), figures=tuple(figure or ()), models=tuple(model or ()))
        planned = narrow(planned, part)
    wants_tables = not (as_json or as_csv)
    seen = None
    if wants_tables or gantt:
        slots = gpus or os.cpu_count() or 1
        seen = outlook(planned, machine, slots, _rates(failures) if wants_tables else None)
    folder = StudyFolder(results / planned.study)
    if as_json:
        print("\n".join(json.dumps(run) for run in run_objects(planned)))
    elif as_csv:
        print(plan_csv(planned), end="")
    elif seen is not None:
        done = sum(is_done(folder.run(run.run_id)) for run in planned.runs)
        missing = missing_data(planned, data or results / "data")
        show(terminal(), planned, seen, missing, done)
    if then_fit:
        from orchestrator.cli.design import expected_lines

        typer.echo("\n".join(expected_lines(planned)), err=not wants_tables)
    if graph or gantt or grid:
        from orchestrator.cli.plan_pictures import Pictures, draw  # here: it loads the launcher

        pictures = Pictures(graph=graph, gantt=gantt, grid=grid)
        for path in draw(planned, seen, pictures, folder):
            typer.echo(f"written to {path}", err=True)


def _rates(given: str | None) -> FailureRates | None:
    """Read `name=value,...`; `published` stands for the defaults."""
    if given is None:
        return None
    names = [field.name for field in fields(FailureRates)]
    rates: dict[str, float] = {}
    for part in [] if given == "published" else given.split(","):
        name, _, value = part.partition("=")
        try:
            rates[names[names.index(name.strip())]] = float(value)
        except ValueError as error:
            raise ConfigError(
                f"{part!r} is no rate of failure",
                where="--failures",
                mend=f"give `published`, or name=number with names from: {', '.join(names)}",
            ) from error
    return FailureRates(**rates)
