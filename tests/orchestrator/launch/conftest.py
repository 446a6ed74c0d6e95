"""A study of sixteen tiny runs, and ways to launch it: in this process, or by the command."""

import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from orchestrator.launch.backend import Backend, Ended, Job
from orchestrator.launch.config import LaunchConfig, Start
from orchestrator.launch.local import local_backend
from orchestrator.launch.loop import Loop, Outcome
from orchestrator.launch.session import launch_study
from orchestrator.launch.submit import Place
from orchestrator.launch.watcher import Overview
from orchestrator.plan.observed import Observed
from orchestrator.plan.plan import Plan, PlannedRun
from orchestrator.spec.execution import Execution
from orchestrator.store.data_folder import ensure_made
from orchestrator.store.layout import RunFolder, StudyFolder
from orchestrator.store.records import claim_study
from orchestrator.store.study_plan import load_plan
from orchestrator.worker import entry
from orchestrator.worker.environment import code_version, versions

TOY = Path(__file__).parent / "toy"
STUDY_FILE = TOY / "study.yaml"


class Quiet:
    """A watcher that remembers the order of starts."""

    def __init__(self) -> None:
        self.starts: list[str] = []

    def started(self, run: PlannedRun, attempt: int) -> None:
        del attempt
        self.starts.append(run.run_id)

    def ended(self, run: PlannedRun, seen: Observed, seconds: float) -> None: ...

    def look(self, overview: Overview) -> None: ...


@dataclass
class Inline:
    """A backend without processes: `submit` does the work, `poll` tells of it."""

    name: str = "inline"
    slots: int | None = 1
    ended: list[Ended] = field(default_factory=list[Ended])
    jobs: list[str] = field(default_factory=list[str])

    def submit(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            number = job.intent.attempt
            self.jobs.append(job.folder.run_id)
            code = int(entry.main(job.folder.path, number))
            self.ended.append(Ended(run_id=job.folder.run_id, attempt=number, code=code))

    def poll(self, seconds: float) -> tuple[Ended, ...]:
        del seconds
        told, self.ended = tuple(self.ended), []
        return told

    def cancel(self, folders: Sequence[RunFolder]) -> None: ...

    def close(self, *, hurry: bool) -> tuple[Ended, ...]:
        del hurry
        return ()


@dataclass
class Toy:
    """The toy study below one folder, whose name is as awkward as names get."""

    root: Path
    plan: Plan

    @property
    def results(self) -> Path:
        return self.root / "results"

    @property
    def folder(self) -> StudyFolder:
        return StudyFolder(self.results / "toy")

    def of_stage(self, stage: str) -> list[PlannedRun]:
        return [run for run in self.plan.runs if run.stage == stage]

    def run_folders(self) -> list[RunFolder]:
        return [self.folder.run(run.run_id) for run in self.plan.runs]

    def place(self, backend: Backend, *, retry: bool = False, stop: bool = False) -> Place:
        config = LaunchConfig(
            data_root=self.root / "data", execution=Execution(), retry=retry, stop=stop
        )
        return Place(study="toy", folder=self.folder, backend=backend, config=config)

    def launch(
        self,
        backend: Backend | None = None,
        *,
        retry: bool = False,
        stop: bool = False,
        interrupted: Callable[[], bool] = lambda: False,
        plan: Plan | None = None,
    ) -> Outcome:
        """Launch in this process; with real workers unless another backend is given."""
        place = self.place(backend or self.local(), retry=retry, stop=stop)
        return launch_study(
            plan or self.plan,
            place,
            Quiet(),
            prepare=self.make_data,
            leaving=nullcontext(interrupted),
        )

    def loop(self, backend: Backend, *, plan: Plan | None = None, retry: bool = False) -> Loop:
        """A loop for which an intent without a process is at once void."""
        place = self.place(backend, retry=retry)
        self.make_data()
        claim_study(self.folder, "toy")
        return Loop(
            plan or self.plan,
            place,
            Quiet(),
            now=lambda: datetime.now(UTC),
            grace=timedelta(0),
        )

    def local(self, start: Start = Start.WARM, slots: int = 2) -> Backend:
        functions = ("toy_stages:train",)
        return local_backend(Execution(), slots=slots, start=start, functions=functions)

    def wait_until(self, holds: Callable[[], bool], seconds: float = 30.0) -> None:
        """Wait for something that other processes do."""
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, "it never came"
            time.sleep(0.01)

    def in_fork(self, work: Callable[[], object]) -> int:
        """Do something in a process of its own, which it may change or kill; return its end."""
        pid = os.fork()
        if pid == 0:
            code = 99
            try:
                work()
                code = 0
            finally:
                os._exit(code)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def contents(self) -> dict[str, bytes]:
        """Return what the runs found out, by file: results, markers, metrics."""
        names = ("result.json", "DONE", "metrics.jsonl", "run.json")
        return {
            f"{folder.run_id}/{name}": (folder.path / name).read_bytes()
            for folder in self.run_folders()
            for name in names
        }

    def make_data(self) -> None:
        ensure_made(self.plan, self.root / "data", logging.getLogger(__name__).info)

    def command(self, *arguments: str) -> list[str]:
        main = "from orchestrator.cli.main import main; main()"
        return [
            *(sys.executable, "-c", main, *arguments[:1], str(STUDY_FILE), *arguments[1:]),
            *("--results", str(self.results)),
            *(("--data", str(self.root / "data")) if arguments[0] == "launch" else ()),
        ]

    def sweep(
        self, *arguments: str, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments),
            env={**os.environ, **(env or {})},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def start(self, *arguments: str, env: Mapping[str, str]) -> subprocess.Popen[str]:
        return subprocess.Popen(
            # A shell that started these tests in the background ignores Ctrl-C, and so would they.
            ("env", "--default-signal=INT", *self.command(*arguments)),
            env={**os.environ, **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )


class Lost(Inline):
    """A backend whose processes never come to life."""

    def submit(self, jobs: Sequence[Job]) -> None: ...


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Toy:
    monkeypatch.setenv("PYTHONPATH", str(TOY))
    monkeypatch.syspath_prepend(str(TOY))
    versions()  # asked once for all forks
    code_version()
    root = tmp_path / 'a b\'s "study" ü'
    root.mkdir()
    return Toy(root=root, plan=load_plan(STUDY_FILE, (), root / "results"))


@pytest.fixture
def inline() -> Callable[[], Inline]:
    return Inline


@pytest.fixture
def lost() -> Backend:
    return Lost()
