"""Plan a study file: for this machine as it was measured, or for a cluster's profile."""

import gc
from dataclasses import replace
from pathlib import Path

from orchestrator.errors import SweepError
from orchestrator.plan.cost.throughput import Machine, WantedLayout, machine
from orchestrator.plan.plan import Plan
from orchestrator.plan.planner import plan_study
from orchestrator.spec.study import Study
from orchestrator.store.layout import StudyFolder
from orchestrator.store.profile_file import load_profile
from orchestrator.store.study_file import load_study
from orchestrator.store.usage import measured_throughput


def load_plan(path: Path, overrides: tuple[str, ...] = (), results: Path = Path("results")) -> Plan:
    """Read a study and plan it, with costs from what its finished runs took, if there are any.

    Args:
        path: the YAML file.
        overrides: `dotted.key=value` pairs that win over the file.
        results: folder of results folders.

    Raises:
        ConfigError: if the study says something that does not hold.
        PlanError: if its values make no sensible plan.
    """
    study = load_study(path, overrides)
    return plan_for(study, machine_of(study, results), path)


def plan_for(study: Study, machine: Machine, path: Path) -> Plan:
    """Plan a study for a machine.

    Args:
        study: what is declared.
        machine: where it is to run.
        path: the file it was read from, for messages.

    Raises:
        ConfigError: if the study says something that does not hold.
        PlanError: if its values make no sensible plan.
    """
    collects = gc.isenabled()
    gc.disable()  # a plan is many small objects and no cycles: looking for these takes a third
    try:
        return plan_study(study, machine)
    except SweepError as error:
        raise error.within(str(path)) from error
    finally:
        if collects:
            gc.enable()


def machine_of(
    study: Study,
    results: Path,
    profile: str | None = None,
    gpus: int | None = None,
    longest_hours: float | None = None,
) -> Machine:
    """Return what a study is planned for: a cluster, or this machine as it was measured.

    Args:
        study: what is declared.
        results: folder of results folders, where this machine's finished runs lie.
        profile: name or file of a cluster profile; None for the study's own.
        gpus: devices to use at once, instead of the profile's; layouts become no wider.
        longest_hours: models without a layout take devices until their training is done in this
            time; None for the smallest layout that fits.

    Raises:
        ConfigError: if the profile is missing or says something that does not hold.
    """
    name = profile or study.launch.profile
    if name is None:
        return machine(None, measured_throughput(StudyFolder(results / study.name)))
    cluster = load_profile(name, Path())
    if gpus is not None:
        cluster = replace(cluster, max_gpus=gpus)
    models = {model.name: model.config for model in study.models}
    layouts = tuple(
        WantedLayout(
            model=models[layout.model],
            parallelism=replace(
                layout.parallelism,
                gpus=_largest_divisor(layout.parallelism.gpus, cluster.gpus_per_job),
            ),
        )
        for layout in study.launch.layouts
    )
    return machine(cluster, layouts=layouts, longest_hours=longest_hours)


def _largest_divisor(number: int, most: int) -> int:
    """Return the largest divisor that is not above `most`: it divides every batch that fits."""
    return next(part for part in range(min(number, most), 0, -1) if number % part == 0)
