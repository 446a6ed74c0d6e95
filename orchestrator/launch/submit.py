"""Put an attempt on disk, then hand it to the backend. In this order, so that none gets lost."""

import uuid
from dataclasses import dataclass, replace
from datetime import datetime

from orchestrator.launch.backend import Backend, Job
from orchestrator.launch.config import LaunchConfig
from orchestrator.launch.disk import full_disk_named
from orchestrator.plan.causes import Step
from orchestrator.plan.plan import PlannedRun
from orchestrator.plan.sources import sources_of
from orchestrator.spec.model import VisionConfig
from orchestrator.spec.run import RunConfig
from orchestrator.spec.source import DataSource
from orchestrator.spec.weights import weights_source
from orchestrator.store.attempts import LOCAL, DataFolder, Intent, claim_attempt, write_intent
from orchestrator.store.data_folder import source_folder
from orchestrator.store.layout import StudyFolder
from orchestrator.store.records import RunRecord, write_run
from orchestrator.store.versioned import timestamp
from orchestrator.worker.process import host_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where attempts go."""

    study: str
    """Name of the study."""
    folder: StudyFolder
    """Its results."""
    backend: Backend
    """What starts them."""
    config: LaunchConfig
    """How they run."""


def submit(
    place: Place, run: PlannedRun, slot: int | None, now: datetime, step: Step | None = None
) -> int:
    """Start an attempt at a run on this machine and return its number.

    Args:
        place: where it goes.
        run: what is tried.
        slot: the slot it fills.
        now: the present.
        step: what changes after a failure.

    Raises:
        RecordError: if the run's folder cannot be trusted.
        LaunchError: if the disk is full, or the backend does not take it.
    """
    folder = place.folder.run(run.run_id)
    with full_disk_named(folder.path):
        write_run(folder, record_of(place.study, run))
        attempt = claim_attempt(folder)
        intent = intent_of(place.config, run, attempt.number, uuid.uuid4().hex, now, step)
        intent = replace(intent, backend=place.backend.name, slot=slot)
        write_intent(attempt, intent)
    place.backend.submit([Job(folder=folder, intent=intent)])
    return attempt.number


def intent_of(
    config: LaunchConfig,
    run: PlannedRun,
    attempt: int,
    token: str,
    now: datetime,
    step: Step | None,
) -> Intent:
    """Return what is written down before an attempt is handed over.

    A retry changes how the batch is cut into micro-batches, never the batch; and how much memory
    its process may take.
    """
    halvings = step.halvings if step else 0
    execution = config.execution
    if step and execution.memory_gib is not None:
        more = execution.memory_gib * step.memory_factor
        execution = replace(execution, memory_gib=more)
    return Intent(
        attempt=attempt,
        token=token,
        execution=replace(execution, accumulation=execution.accumulation * 2**halvings),
        data=_data(config, run.config),
        tracking=config.tracking,
        backend=LOCAL,
        slot=None,
        host=host_name(),
        time=timestamp(now),
        step_flops=run.cost.flops / run.cost.steps if run.cost.steps else None,
    )


def record_of(study: str, run: PlannedRun) -> RunRecord:
    """Return what `run.json` says of a planned run."""
    return RunRecord(
        study=study,
        run_id=run.run_id,
        stage=run.stage,
        function=run.function,
        config=run.config,
        needs=run.needs,
        previous=run.previous,
        arms=run.arms,
        axes=run.axes,
        title=run.title,
    )


def _data(config: LaunchConfig, run: RunConfig) -> tuple[DataFolder, ...]:
    """Say where a run's data lie, and the published weights that are in the data root."""
    sources = [*sources_of(run), *_weights(config, run)]
    return tuple(
        DataFolder(
            name=source.name,
            version=source.version,
            folder=str(source_folder(config.data_root, source)),
        )
        for source in dict.fromkeys(sources)
    )


def _weights(config: LaunchConfig, run: RunConfig) -> list[DataSource]:
    """Return the published weights that lie in the data root; the hub's cache has the others."""
    vision = getattr(run, "vision", None)  # trunks have none
    names = vision.weights if isinstance(vision, VisionConfig) else ()
    sources = [weights_source(name) for name in names]
    return [source for source in sources if source_folder(config.data_root, source).is_dir()]
