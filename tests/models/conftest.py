"""A real `StageContext` on a temporary folder, and a tiny world to train on."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from models.data.shapeworld import make
from orchestrator.errors import DataError
from orchestrator.spec.execution import Execution
from orchestrator.spec.identity import run_id
from orchestrator.spec.run import RunConfig
from orchestrator.spec.source import DataSource
from orchestrator.store.layout import RunFolder
from orchestrator.store.stage import Progress, StageContext
from orchestrator.store.world import World

WORLD_VERSION = "tiny"
WORLD = {
    "release": 1,
    "seed": 0,
    "seq_len": 128,
    "train_images": 40,
    "val_images": 8,
    "scene_images": 60,
    "instruction_images": 12,
    "test_images": 8,
    "text_sequences": 96,
    "val_sequences": 8,
    "entities": 16,
    "questions": 6,
}


@dataclass
class FolderContext:
    """A run below a folder of runs, with data below another; asked to stop after some steps."""

    config: RunConfig
    folder: RunFolder
    execution: Execution
    data_root: Path
    previous_run: str | None
    stop_after: int | None
    world: World = World()  # noqa: RUF009  (frozen)
    reports: list[Progress] = field(default_factory=list[Progress])
    resumed_at: int | None = None

    def parent(self, run_id: str) -> RunFolder:
        return RunFolder(self.folder.path.parent / run_id)

    def previous(self) -> RunFolder | None:
        return None if self.previous_run is None else self.parent(self.previous_run)

    def data(self, source: DataSource) -> Path:
        folder = self.data_root / f"{source.collection}-{source.version}" / source.part
        if not folder.is_dir():
            raise DataError(f"{source.name} is not there", str(folder), "make it")
        return folder

    def resumed(self, step: int) -> None:
        self.resumed_at = step

    def report(self, progress: Progress) -> None:
        self.reports.append(progress)

    def holding(self) -> AbstractContextManager[None]:
        return nullcontext()

    def stop_requested(self) -> bool:
        return self.stop_after is not None and len(self.reports) >= self.stop_after


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with the tiny world, as `DataSource(name="shapeworld/...", version="tiny")`."""
    root = tmp_path_factory.mktemp("data with spaces")
    make(WORLD, root / f"shapeworld-{WORLD_VERSION}", lambda _: None)
    return root


@pytest.fixture
def stage_context(tmp_path: Path, world: Path) -> Callable[..., StageContext]:
    """Make contexts: `stage_context(config, runs="runs", stop_after=3, previous=run_id)`.

    Runs of one test lie beside each other, so that one can be another's parent; `runs` names
    another folder, in which they know nothing of each other.
    """

    def context(
        config: RunConfig,
        *,
        runs: str = "runs",
        execution: Execution | None = None,
        previous: str | None = None,
        stop_after: int | None = None,
        name: str | None = None,
    ) -> StageContext:
        folder = RunFolder(tmp_path / runs / (name or run_id(config)))
        folder.path.mkdir(parents=True, exist_ok=True)
        return FolderContext(
            config=config,
            folder=folder,
            execution=execution or Execution(),
            data_root=world,
            previous_run=previous,
            stop_after=stop_after,
        )

    return context
