"""Put an attempt on disk, then hand it to the backend. In this order, so that none gets lost."""

import uuid
from dataclasses import dataclass
from datetime import datetime

from orchestrator.launch.backend import Backend, Job
from orchestrator.launch.config import LaunchConfig
from orchestrator.launch.disk import full_disk_named
from orchestrator.plan.plan import PlannedRun
from orchestrator.plan.sources import sources_of
from orchestrator.spec.model import VisionConfig
from orchestrator.spec.run import RunConfig
from orchestrator.spec.source import DataSource
from orchestrator.spec.weights import weights_source
from orchestrator.store.data_folder import source_folder
from orchestrator.store.layout import StudyFolder
from orchestrator.store.records import (
    DataFolder,
    Intent,
    RunRecord,
    claim_attempt,
    timestamp,
    write_intent,
    write_run,
)
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


def submit(place: Place, run: PlannedRun, slot: int | None, now: datetime) -> int:
    """Start an attempt at a run and return its number.

    Raises:
        RecordError: if the run's folder cannot be trusted.
        LaunchError: if the disk is full, or the backend does not take it.
    """
    folder = place.folder.run(run.run_id)
    with full_disk_named(folder.path):
        write_run(folder, record_of(place.study, run))
        attempt = claim_attempt(folder)
        intent = Intent(
            attempt=attempt.number,
            token=uuid.uuid4().hex,
            execution=place.config.execution,
            data=_data(place.config, run.config),
            tracking=place.config.tracking,
            backend=place.backend.name,
            slot=slot,
            host=host_name(),
            time=timestamp(now),
        )
        write_intent(attempt, intent)
    place.backend.submit([Job(folder=folder, intent=intent)])
    return attempt.number


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
