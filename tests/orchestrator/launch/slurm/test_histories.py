"""Seeded histories of faults: no run is lost or made twice at once, and every study ends alike.

`SWEEP_HISTORIES=20000 pytest -s tests/orchestrator/launch/slurm/test_histories.py` runs more.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from random import Random

import pytest

from orchestrator.launch.config import LaunchConfig
from orchestrator.launch.loop import Outcome
from orchestrator.launch.slurm.cluster import Cluster
from orchestrator.launch.slurm.rounds import Rounds, Timing
from orchestrator.plan.plan import Plan
from orchestrator.spec.execution import Execution
from orchestrator.spec.profile import Profile
from orchestrator.spec.slurm_site import Requeue, SlurmSite
from orchestrator.store.attempts import attempt_numbers
from orchestrator.store.layout import StudyFolder
from orchestrator.store.profile_file import load_profile
from orchestrator.store.records import claim_study
from orchestrator.store.study_file import load_study
from orchestrator.store.study_plan import machine_of, plan_for
from tests.orchestrator.launch.conftest import STUDY_FILE, Quiet
from tests.orchestrator.launch.slurm.simulated import NO_FAULTS, Faults, SimulatedSlurm

HISTORIES = int(os.environ.get("SWEEP_HISTORIES", "1000"))
CHUNKS = 10
ROUNDS_WITH_FAULTS, ROUNDS_TO_END = 14, 60


class DiedError(BaseException):
    """The launcher was killed at a write."""


class Writes:
    """Counts what a launcher writes; at one of them it dies, or another one makes a round."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        self.at: int | None = None
        self.does: Callable[[], None] = lambda: None
        for name in ("replace", "rename", "mkdir", "unlink"):
            self._wrap(monkeypatch, name)

    def _wrap(self, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        original = getattr(Path, name)

        def wrapped(path: Path, *arguments: object, **options: object) -> object:
            self._meet()
            done = original(path, *arguments, **options)
            self._meet()
            return done

        monkeypatch.setattr(Path, name, wrapped)

    def _meet(self) -> None:
        if self.at is None:
            return
        self.count += 1
        if self.count == self.at:
            self.at = None
            self.does()

    def during(self, at: int | None, does: Callable[[], None], work: Callable[[], object]) -> None:
        """Do some work; at its write number `at` something else happens."""
        self.count, self.at, self.does = 0, at, does
        try:
            work()
        finally:
            self.at = None


class History:
    """One study under one seed."""

    def __init__(self, seed: int, plan: Plan, profile: Profile, root: Path, writes: Writes) -> None:
        rng = Random(seed)
        self.rng = rng
        self.writes = writes
        self.plan = plan
        self.folder = StudyFolder(root / "toy")
        self.happened: Counter[str] = Counter()
        requeues = rng.random() < 0.5
        self.slurm = SimulatedSlurm(
            study=self.folder,
            rng=rng,
            requeues=requeues,
            has_accounts=rng.random() < 0.7,
            faults=drawn_faults(rng),
        )
        site = SlurmSite(
            requeue=Requeue.REQUEUE if requeues else Requeue.CANCEL, sbatch_per_minute=10_000
        )
        self.cluster = Cluster(
            study="toy",
            folder=self.folder,
            profile=profile,
            site=site,
            scheduler=self.slurm,
            config=LaunchConfig(data_root=root / "data", execution=Execution(), retry=True),
            python=sys.executable,
            code=None,
        )
        claim_study(self.folder, "toy")

    def round(self, *, retry: bool) -> Outcome:
        config = replace(self.cluster.config, retry=retry)
        timing = Timing(now=self.now, seconds=lambda: 0.0, sleep=lambda _: True)
        rounds = Rounds(self.plan, replace(self.cluster, config=config), Quiet(), timing)
        return rounds.run(lambda: False, stay=False)

    def now(self) -> datetime:
        return self.slurm.now

    def disturbed_round(self) -> None:
        """Make a round in which the launcher may die, or another user launches, at some write."""
        kind = self.rng.choice(("plain", "dies", "two users"))
        at = self.rng.randrange(1, 120) if kind != "plain" else None

        def other() -> None:
            self.happened["two users at once"] += 1
            self.round(retry=False)

        def die() -> None:
            self.happened["launcher died at a write"] += 1
            raise DiedError

        with suppress(DiedError):
            self.writes.during(
                at, die if kind == "dies" else other, lambda: self.round(retry=False)
            )

    def live(self) -> None:
        """Go through faults, then to the end without them."""
        for _ in range(ROUNDS_WITH_FAULTS):
            self.disturbed_round()
            self.slurm.check()
            self.slurm.advance(self.rng.choice((15, 60, 300)))
        self.slurm.faults = NO_FAULTS
        for process in self.slurm.processes:
            process.beats = True
        for _ in range(ROUNDS_TO_END):
            if self.is_done():
                break
            self.round(retry=True)
            self.slurm.advance(300)
        self.happened.update(self.slurm.seen)

    def is_done(self) -> bool:
        return all(self.folder.run(run.run_id).done.exists() for run in self.plan.runs)

    def contents(self) -> dict[str, bytes]:
        return {
            f"{run.run_id}/{name}": (self.folder.run(run.run_id).path / name).read_bytes()
            for run in self.plan.runs
            for name in ("result.json", "DONE", "run.json")
        }

    def attempts(self) -> dict[str, tuple[int, ...]]:
        return {r.run_id: attempt_numbers(self.folder.run(r.run_id)) for r in self.plan.runs}


def drawn_faults(rng: Random) -> Faults:
    """Draw which faults a history has, and how often: few, or many at once."""
    often = rng.choice((0.02, 0.1, 0.3))
    rare = often / 10
    chances = {
        "sbatch_lost": often,
        "sbatch_heard_late": often,
        "full": often,
        "queue_silent": often,
        "queue_cut": often,
        "accounts_silent": often,
        "accounts_lag": often,
        "killed": rare,
        "node_failure": rare,
        "warned": rare,
        "controller_lost": rare,
        "frozen": rare,
        "launch_failed": rare,
    }
    return Faults(**{name: c for name, c in chances.items() if rng.random() < 0.6})


@pytest.fixture(scope="module")
def planned() -> tuple[Plan, Profile]:
    study = load_study(STUDY_FILE, ("arms.timing.axes.seed=[0]",))
    plan = plan_for(study, machine_of(study, Path("nowhere"), "rehearsal"), STUDY_FILE)
    return plan, load_profile("rehearsal")


@pytest.fixture
def writes(monkeypatch: pytest.MonkeyPatch) -> Writes:
    monkeypatch.setattr(os, "fsync", abs)  # no power is cut here
    return Writes(monkeypatch)


def undisturbed(planned: tuple[Plan, Profile], root: Path, writes: Writes) -> dict[str, bytes]:
    plain = History(-1, *planned, root, writes)
    plain.slurm.faults = NO_FAULTS
    plain.round(retry=False)
    plain.slurm.advance(6000)
    assert plain.is_done()
    assert all(numbers == (1,) for numbers in plain.attempts().values())
    return plain.contents()


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_every_history_ends_like_an_undisturbed_study(
    planned: tuple[Plan, Profile], writes: Writes, chunk: int
) -> None:
    happened: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        expected = undisturbed(planned, root / "plain", writes)
        for seed in range(chunk, HISTORIES, CHUNKS):
            history = History(seed, *planned, root / str(seed), writes)
            try:
                history.live()
                assert history.is_done(), "it did not end"
                assert history.contents() == expected
                calls, attempts = history.slurm.sbatch_calls, history.attempts()
                assert history.round(retry=True).live == ()
                assert history.slurm.sbatch_calls == calls
                assert history.attempts() == attempts
            except Exception as error:
                raise AssertionError(f"history of seed {seed}") from error
            happened.update(dict.fromkeys(history.happened, 1))
    print(f"chunk {chunk}: histories by fault: {dict(happened)}")  # noqa: T201  (shown with -s)
