"""The toy study of sixteen runs, launched on a real Slurm."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from orchestrator.launch.config import LaunchConfig
from orchestrator.launch.slurm.cluster import Cluster as Target
from orchestrator.launch.slurm.look import look
from orchestrator.launch.slurm.real import RealSlurm
from orchestrator.launch.slurm.rounds import Rounds, Timing
from orchestrator.launch.slurm.session import launch_on_cluster
from orchestrator.launch.states import Moment
from orchestrator.plan.observed import Observed, State
from orchestrator.spec.execution import Execution
from orchestrator.spec.slurm_site import Requeue, SlurmSite
from orchestrator.store.attempts import attempt_numbers, read_intent, read_lives
from orchestrator.store.data_folder import ensure_made
from orchestrator.store.layout import RunFolder, StudyFolder
from orchestrator.store.profile_file import load_profile
from orchestrator.store.records import claim_study
from orchestrator.store.study_file import load_study
from orchestrator.store.study_plan import machine_of, plan_for
from orchestrator.store.submissions import read_number
from orchestrator.worker.lease import read_lease

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from orchestrator.launch.loop import Outcome
    from orchestrator.launch.watcher import Overview
    from orchestrator.plan.plan import Plan, PlannedRun
    from orchestrator.spec.profile import Profile
    from tests.slurm.conftest import Cluster

TOY = Path(__file__).parents[2] / "orchestrator" / "launch" / "toy"
STUDY_FILE = TOY / "study.yaml"
POLICY = Requeue(os.environ.get("SWEEP_REQUEUE", Requeue.REQUEUE))
"""What the site does with jobs; `SWEEP_REQUEUE=cancel pytest tests/slurm/launching` rehearses the
other policy, in which tests of both run twice the same."""
CONTENTS = ("result.json", "DONE", "metrics.jsonl", "run.json")


class Quiet:
    """A watcher that says nothing."""

    def started(self, run: PlannedRun, attempt: int) -> None: ...

    def ended(self, run: PlannedRun, seen: Observed, seconds: float) -> None: ...

    def look(self, overview: Overview) -> None: ...


@dataclass
class SlurmStudy:
    """The toy study below one folder, and the cluster that it is launched on."""

    root: Path
    box: Cluster
    plan: Plan
    profile: Profile
    site: SlurmSite
    ahead: timedelta = timedelta(0)
    """How far the launcher's clock is ahead, as if that time had passed."""
    targets: list[Target] = field(default_factory=list[Target])

    @property
    def folder(self) -> StudyFolder:
        return StudyFolder(self.root / "results" / "toy")

    def of_stage(self, stage: str) -> list[str]:
        return [run.run_id for run in self.plan.runs if run.stage == stage]

    def run(self, run_id: str) -> RunFolder:
        return self.folder.run(run_id)

    def target(self, *, retry: bool = False, stop: bool = False) -> Target:
        config = LaunchConfig(
            data_root=self.root / "data", execution=Execution(), retry=retry, stop=stop
        )
        return Target(
            study="toy",
            folder=self.folder,
            profile=self.profile,
            site=self.site,
            scheduler=RealSlurm(self.site),
            config=config,
            python=sys.executable,
            code=None,
        )

    def launch(self, *, stay: bool = False, retry: bool = False) -> Outcome:
        """Launch as the command does."""
        return launch_on_cluster(
            self.plan,
            self.target(retry=retry),
            Quiet(),
            prepare=self.make_data,
            leaving=nullcontext(lambda: False),
            stay=stay,
        )

    def launch_slowly(self, seconds: float = 1.0) -> str:
        """Launch with one slow trunk run, and return it once it has done its first step."""
        slow = self.of_stage("text_pretrain")[0]
        os.environ["TOY_SLOW"] = f"{slow}:{seconds}"
        self.launch()
        self.wait_until(lambda: self.is_at(slow, 1))
        return slow

    def kill_worker(self, run_id: str) -> None:
        """Kill the process that holds a run, as the memory killer would."""
        lease = read_lease(self.run(run_id))
        assert lease is not None
        os.kill(lease.pid, signal.SIGKILL)

    def one_round(self, *, retry: bool = False, stop: bool = False) -> Outcome:
        """Make one round as a second user on another machine would: without the lock."""
        self.make_data()
        claim_study(self.folder, "toy")
        timing = Timing(now=self.now, sleep=_sleep)
        rounds = Rounds(self.plan, self.target(retry=retry, stop=stop), Quiet(), timing)
        return rounds.run(lambda: False, stay=False)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def make_data(self) -> None:
        ensure_made(self.plan, self.root / "data", lambda _: None)

    def seen(self) -> dict[str, Observed]:
        """Look without writing anything."""
        now = self.now()
        return look(
            self.target().asked, self.plan, Moment(now=now, since=now), write=False
        ).observed

    def states(self) -> dict[str, State]:
        return {name: seen.state for name, seen in self.seen().items()}

    def is_done(self) -> bool:
        return all(self.run(run.run_id).done.exists() for run in self.plan.runs)

    def attempts(self) -> dict[str, int]:
        return {run.run_id: len(attempt_numbers(self.run(run.run_id))) for run in self.plan.runs}

    def lives(self, run_id: str) -> int:
        """Count the lives of the jobs of a run's attempts."""
        run = self.run(run_id)
        return sum(1 + len(read_lives(run.attempt(n))) for n in attempt_numbers(run))

    def job(self, run_id: str) -> str:
        """Return the number of the job of a run's newest attempt, as commands take it."""
        run = self.run(run_id)
        intent = read_intent(run.attempt(attempt_numbers(run)[-1]))
        number = read_number(self.folder.submission(intent.token))
        return f"{number}_{intent.task}"

    def contents(self) -> dict[str, bytes]:
        """Return what the runs found out, by file."""
        return {
            f"{run.run_id}/{name}": (self.run(run.run_id).path / name).read_bytes()
            for run in self.plan.runs
            for name in CONTENTS
        }

    def undisturbed(self) -> dict[str, bytes]:
        """Return the same of a launch on this machine."""
        main = "from orchestrator.cli.main import main; main()"
        results = self.root / "undisturbed"
        plain = {k: v for k, v in os.environ.items() if not k.startswith("TOY_")}
        done = subprocess.run(
            [
                *(sys.executable, "-c", main, "launch", str(STUDY_FILE)),
                *("--results", str(results), "--data", str(self.root / "data")),
            ],
            env=plain,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return replace(self, root=results, targets=[])._moved(results).contents()

    def _moved(self, results: Path) -> SlurmStudy:
        (results / "results").symlink_to(".")
        return self

    def wait_until(self, holds: Callable[[], bool], seconds: float = 60.0) -> None:
        """Wait for something that jobs do."""
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, f"it never came: {self.told()}"
            time.sleep(0.1)

    def rounds_until_done(self, seconds: float = 120.0) -> None:
        """Make rounds until every run is done."""
        deadline = time.monotonic() + seconds
        while not self.is_done():
            outcome = self.one_round()
            assert not outcome.blocked, [action.reason for action in outcome.blocked]
            assert time.monotonic() < deadline, f"it never came: {self.told()}"
            time.sleep(0.5)

    def told(self) -> str:
        """Say where everything stands, for a failed test."""
        seen = [
            f"{name} {o.state} {o.attempts} {o.cause} {o.message}"
            for name, o in self.seen().items()
            if o.state is not State.DONE
        ]
        return "\n".join([*seen, self.box.run("squeue", "--states=all").stdout])

    def is_at(self, run_id: str, step: int) -> bool:
        """Return whether a run has counted a step (see `TOY_GATE`)."""
        return Path(os.environ["TOY_GATE"], f"{run_id}.{step}").exists()

    def steps_done(self) -> dict[str, int]:
        """Return how often each step was computed, over all attempts."""
        return {path.name: len(path.read_text()) for path in Path(os.environ["TOY_GATE"]).iterdir()}


def _sleep(seconds: float) -> bool:
    time.sleep(seconds)
    return False


def study_on(box: Cluster, root: Path, monkeypatch: pytest.MonkeyPatch) -> SlurmStudy:
    """Return the toy study for a cluster; commands of this process go there from now on."""
    gate = root / "gate"
    gate.mkdir(parents=True)
    monkeypatch.setenv("SLURM_CONF", str(box.folder.etc / "slurm.conf"))
    monkeypatch.setenv("PYTHONPATH", str(TOY))
    monkeypatch.setenv("TOY_GATE", str(gate))
    monkeypatch.setenv("TOY_SLOW", "")
    monkeypatch.syspath_prepend(str(TOY))
    profile = load_profile("rehearsal")
    assert profile.slurm is not None
    site = replace(profile.slurm, poll_seconds=0.5, warning_seconds=10, requeue=POLICY)
    study = load_study(STUDY_FILE, ())
    plan = plan_for(study, machine_of(study, root / "results", "rehearsal"), STUDY_FILE)
    return SlurmStudy(root=root, box=box, plan=plan, profile=profile, site=site)


@pytest.fixture
def study(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[SlurmStudy]:
    """The toy study on the session's cluster, under a path as awkward as paths get."""
    made = study_on(cluster, tmp_path / 'a b\'s "study" ü %j\nline', monkeypatch)
    yield made
    made.box.run("scancel", "--user", str(os.getuid()))


@pytest.fixture(params=list(Requeue))
def policy(request: pytest.FixtureRequest, study: SlurmStudy) -> Requeue:
    """Both requeue policies, one after the other."""
    study.site = replace(study.site, requeue=request.param)
    return request.param
