"""One run on disk, ready for an attempt, whose stage is a function given by the test."""

import os
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from orchestrator.spec.execution import Execution
from orchestrator.spec.identity import run_id
from orchestrator.spec.launch import Tracking
from orchestrator.spec.model import Encoder, VisionConfig
from orchestrator.spec.optimizer import OptimizerConfig
from orchestrator.spec.run import Stage, TowerPretrain
from orchestrator.spec.schedule import Phase, Schedule, Shape
from orchestrator.spec.source import DataSource
from orchestrator.store.attempts import DataFolder, claim_attempt, write_intent
from orchestrator.store.layout import AttemptFolder, RunFolder
from orchestrator.store.records import RunRecord, write_run
from orchestrator.store.stage import Measure, Progress, StageContext, StageResult
from orchestrator.worker import entry
from orchestrator.worker.code import code_version
from orchestrator.worker.environment import versions
from tests.orchestrator.store.made_records import INTENT

SOURCE = DataSource(name="world/scenes", version="1")
CONFIG = TowerPretrain(
    vision=VisionConfig(encoder=Encoder.CNN, image_size=4, patch_size=2, feature_width=4),
    scenes=SOURCE,
    steps=3,
    batch_images=2,
    schedule=Schedule(phases=(Phase(shape=Shape.CONSTANT, length=6, start=0.1, end=0.1),)),
    optimizer=OptimizerConfig(),
    features_of=(),
    seed=0,
)
NOW = datetime.now(UTC)
StageFunction = Callable[[StageContext], StageResult]


def three_steps(context: StageContext) -> StageResult:
    """Report three steps and find out a number."""
    for step in (1, 2, 3):
        context.report(Progress(step=step, steps=3, position=2 * step, loss=1 / step))
    measure = Measure(suite="loss", benchmark="val", metric="nats_per_token", value=0.25)
    return StageResult(measures=(measure,), counts={"steps": 3})


@dataclass
class Bench:
    """A run on disk, and ways to try it."""

    root: Path
    needs: tuple[str, ...] = ()
    tracking: Tracking = Tracking.OFF
    function: str = "stage_of_a_test:stage"
    backend: str = "test"
    execution: Execution = field(default_factory=Execution)

    @property
    def folder(self) -> RunFolder:
        return RunFolder(self.root / "runs" / run_id(CONFIG, self.function))

    @property
    def data(self) -> Path:
        return self.root / "data" / "world-1" / "scenes"

    def prepare(self, function: str | None = None) -> AttemptFolder:
        """Write the records of the next attempt, and the data."""
        self.function = function or self.function
        self.data.mkdir(parents=True, exist_ok=True)
        record = RunRecord(
            study="bench",
            run_id=self.folder.run_id,
            stage=Stage.TOWER_PRETRAIN,
            function=self.function,
            config=CONFIG,
            needs=self.needs,
            previous=None,
            arms=("timing",),
            axes=(),
            title="a tower",
        )
        write_run(self.folder, record)
        attempt = claim_attempt(self.folder)
        intent = replace(
            INTENT,
            attempt=attempt.number,
            token=f"token {attempt.number}",
            execution=self.execution,
            data=(DataFolder(name=SOURCE.name, version=SOURCE.version, folder=str(self.data)),),
            tracking=self.tracking,
            backend=self.backend,
        )
        write_intent(attempt, intent)
        return attempt

    def attempt(self, stage: StageFunction = three_steps, attempt: int | None = None) -> int:
        """Make an attempt in a process of its own and return its exit code."""
        number = attempt or self.prepare().number
        return self.in_fork(lambda: self.work(stage, number))

    def work(self, stage: StageFunction, attempt: int) -> int:
        module = types.ModuleType("stage_of_a_test")
        module.__dict__["stage"] = stage
        sys.modules[module.__name__] = module
        return int(entry.main(self.folder.path, attempt))

    def in_fork(self, work: Callable[[], int]) -> int:
        pid = os.fork()
        if pid == 0:
            code = 99
            try:
                log = os.open(self.folder.path / "said.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
                os.dup2(log, 2)
                sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115  (of this fork)
                code = work()
            finally:
                sys.stderr.flush()
                os._exit(code)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def said(self) -> str:
        return (self.folder.path / "said.txt").read_text()


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    versions()  # asked once for all forks
    code_version()
    return Bench(root=tmp_path)
