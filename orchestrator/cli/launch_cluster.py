"""`sweep launch --profile`: submit a study to a Slurm cluster."""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import typer

from orchestrator.cli.launch_words import conclude, print_actions
from orchestrator.cli.live import open_display
from orchestrator.errors import ConfigError
from orchestrator.launch.config import LaunchConfig
from orchestrator.launch.interrupt import interruptible
from orchestrator.launch.slurm.cluster import Cluster
from orchestrator.launch.slurm.real import RealSlurm
from orchestrator.launch.slurm.session import launch_on_cluster, preview_on_cluster
from orchestrator.launch.snapshot import take_snapshot
from orchestrator.plan.plan import Plan
from orchestrator.spec.profile import Profile
from orchestrator.spec.slurm_site import SlurmSite
from orchestrator.spec.study import Study
from orchestrator.store.data_folder import ensure_made
from orchestrator.store.layout import StudyFolder
from orchestrator.store.profile_file import load_profile
from orchestrator.store.records import claim_study
from orchestrator.store.study_plan import machine_of, plan_for


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What is launched, and where."""

    study: Study
    """What is declared."""
    file: Path
    """Its YAML file."""
    results: Path
    """Folder of results folders."""
    profile: str
    """Name or file of the cluster's profile."""
    config: LaunchConfig
    """How runs execute."""


def launch_study_on(
    target: Target, *, dry_run: bool, stay: bool, snapshot: bool, as_json: bool
) -> None:
    """Submit a study to a cluster; print what happened, or with `dry_run` what would."""
    study = target.study
    plan = plan_for(study, machine_of(study, target.results, target.profile), target.file)
    profile, site = _site(target.profile)
    config = target.config
    if site.data_root is not None:
        config = replace(config, data_root=Path(site.data_root))
    folder = StudyFolder(target.results.absolute() / plan.study)
    cluster = _cluster(plan, folder, profile, site, config)
    cluster = replace(cluster, layouts=study.launch.layouts)
    if snapshot:
        cluster = replace(cluster, code=folder.code / "(a copy of the code)")
    if dry_run:
        preview = preview_on_cluster(plan, cluster)
        for composed in preview.submissions:
            if as_json:
                told = {"sbatch": str(composed.folder.script), "script": composed.script}
                typer.echo(json.dumps(told))
            else:
                typer.echo(f"# sbatch {composed.folder.script}\n{composed.script}")
        print_actions(plan, preview.actions, as_json=as_json)
        return
    if snapshot:
        cluster = replace(cluster, code=_copied(folder))
    else:
        print("jobs run the code as it is when they start, not as it is now", file=sys.stderr)
    display = open_display()
    display.open()
    try:
        outcome = launch_on_cluster(
            plan, cluster, display, prepare=_maker(plan, config), leaving=interruptible(), stay=stay
        )
    finally:
        display.close()
    conclude(plan, folder, outcome, as_json=as_json)


def _copied(folder: StudyFolder) -> Path:
    """Copy the code for the jobs, and name what is left out of the copy."""
    claim_study(folder, folder.path.name)
    taken = take_snapshot(folder.code)
    if taken.untracked:
        print(
            f"not in the jobs' copy of the code, as git does not track it: "
            f"{', '.join(taken.untracked[:5])}",
            file=sys.stderr,
        )
    return taken.folder


def _cluster(
    plan: Plan, folder: StudyFolder, profile: Profile, site: SlurmSite, config: LaunchConfig
) -> Cluster:
    return Cluster(
        study=plan.study,
        folder=folder,
        profile=profile,
        site=site,
        scheduler=RealSlurm(site),
        config=config,
        python=site.python or sys.executable,
        code=None,
    )


def _site(name: str) -> tuple[Profile, SlurmSite]:
    profile = load_profile(name)
    if profile.slurm is None:
        raise ConfigError(
            f"the profile {profile.profile} says nothing of Slurm",
            f"profile {name}: slurm",
            "add a section `slurm:`, or launch without --profile on this machine",
        )
    return profile, profile.slurm


def _maker(plan: Plan, config: LaunchConfig) -> Callable[[], None]:
    def prepare() -> None:
        ensure_made(plan, config.data_root, lambda line: print(line, file=sys.stderr))

    return prepare
