"""`sweep doctor`: hold a profile, a study and this machine against each other."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from orchestrator.doctor.cluster import check_cluster
from orchestrator.doctor.finding import Finding, Verdict
from orchestrator.doctor.machine import check_code, check_devices, check_packages, check_results
from orchestrator.doctor.slurm_facts import ask_slurm
from orchestrator.doctor.study import check_data, check_shapes, check_tracking
from orchestrator.plan.makespan.storage import storage
from orchestrator.plan.makespan.work import work_of
from orchestrator.plan.plan import Plan
from orchestrator.spec.execution import Device
from orchestrator.spec.launch import Launch
from orchestrator.spec.profile import Profile
from orchestrator.store.profile_file import load_profile
from orchestrator.store.study_file import load_study
from orchestrator.store.study_plan import machine_of, plan_for

SOMETHING_WRONG = 3
"""Exit code when something has to be mended."""

_MARKS = {Verdict.WELL: ("+", "green"), Verdict.DOUBT: ("?", "yellow"), Verdict.WRONG: ("!", "red")}


def doctor(  # noqa: PLR0913  (each is an option of the command)
    study: Annotated[
        Path | None, typer.Argument(metavar="[STUDY.yaml]", help="a study to look at, too")
    ] = None,
    *,
    profile: Annotated[
        str | None, typer.Option(metavar="NAME|FILE", help="a cluster to look at")
    ] = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="change a value")
    ] = None,
    results: Annotated[Path, typer.Option(help="folder of results folders")] = Path("results"),
    data: Annotated[Path, typer.Option(help="folder of data collections")] = Path("results/data"),
    device: Annotated[Device, typer.Option(help="what runs compute on")] = Device.CPU,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object per finding")] = False,
) -> None:
    """Check this machine, a cluster and a study before a launch, and say what to mend.

    Exits with 3 if something has to be mended. Writes nothing; starts nothing.

    Example: sweep doctor sweeps/paper.yaml --profile a100
    """
    cluster = None if profile is None else load_profile(profile)
    plan, launch = None, Launch()
    if study is not None:
        declared = load_study(study, tuple(overrides or ()))
        plan = plan_for(declared, machine_of(declared, results, profile), study)
        launch = declared.launch
    found: list[Finding] = []
    for finding in _findings(plan, launch, cluster, results=results, data=data, device=device):
        found.append(finding)
        if as_json:
            line = {"about": finding.about, "verdict": finding.verdict.value}
            typer.echo(json.dumps({**line, "what": finding.what, "mend": finding.mend}))
        else:
            _print(finding)
    if any(finding.verdict is Verdict.WRONG for finding in found):
        raise typer.Exit(SOMETHING_WRONG)


def _findings(
    plan: Plan | None,
    launch: Launch,
    profile: Profile | None,
    *,
    results: Path,
    data: Path,
    device: Device,
) -> Iterator[Finding]:
    yield from check_packages()
    yield from check_code()
    if profile is None:
        yield from check_devices(device)
    wanted = None
    if plan is not None:
        wanted = storage(work_of(plan), None, launch.keep).peak_bytes
    yield from check_results(results.absolute(), wanted)
    yield from check_tracking(launch.tracking)
    if profile is not None:
        facts = ask_slurm([part.name for part in profile.partitions])
        yield from check_cluster(profile, facts, time.time())
        if profile.slurm is not None and profile.slurm.data_root is not None:
            data = Path(profile.slurm.data_root)
    if plan is not None:
        yield from check_data(plan, data.absolute())
        if profile is not None:
            yield from check_shapes(plan, profile, device)


def _print(finding: Finding) -> None:
    mark, colour = _MARKS[finding.verdict]
    line = Text(f"{mark} {finding.about}: ", style=colour)
    line.append(finding.what, style="default")
    if finding.mend is not None:
        line.append(f"\n    mend: {finding.mend}", style="default")
    Console(soft_wrap=True).print(line)
