"""A simulated Slurm with a clock of its own, whose every answer may be lost and every node fail.

Its workers are a model of `orchestrator.worker.entry`, in the order of its writes and with its own
leases, markers and records; only the stage is left out. `Faults` says how often what goes wrong.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from random import Random

from orchestrator.launch.slurm.answers import Answer, Silence, Told, Unanswered
from orchestrator.launch.slurm.ids import JobTask
from orchestrator.launch.slurm.jobs import SlurmJob
from orchestrator.launch.slurm.scheduler import Reply, SlurmLimits, Submitted
from orchestrator.store.attempts import Exit, read_exit, read_intent, set_aside_exit, write_exit
from orchestrator.store.layout import AttemptFolder, RunFolder, StudyFolder, SubmissionFolder
from orchestrator.store.records import is_done, read_run, write_done, write_result
from orchestrator.store.stage import Measure, StageResult
from orchestrator.store.submissions import read_submission
from orchestrator.store.versioned import timestamp
from orchestrator.worker.exit_codes import CAUSES, ExitCode
from orchestrator.worker.lease import (
    Lease,
    LeaseHeldError,
    give_back,
    guarded,
    is_alive,
    read_lease,
    take,
)

LIVE_WORDS = ("PENDING", "RUNNING")
KEPT = timedelta(minutes=5)
"""How long the queue shows what has ended (MinJobAge)."""

STEP = timedelta(seconds=15)
LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """How often what goes wrong: chances for each event, in [0, 1]."""

    sbatch_lost: float = 0.0
    sbatch_heard_late: float = 0.0
    full: float = 0.0
    queue_silent: float = 0.0
    queue_cut: float = 0.0
    accounts_silent: float = 0.0
    accounts_lag: float = 0.0
    killed: float = 0.0
    node_failure: float = 0.0
    warned: float = 0.0
    controller_lost: float = 0.0
    frozen: float = 0.0
    launch_failed: float = 0.0


NO_FAULTS = Faults()


@dataclass(eq=False)
class Process:
    """A worker. It may outlive its job."""

    run: RunFolder
    attempt: AttemptFolder
    lease: Lease
    ends: datetime
    beats: bool = True
    """False while it is frozen."""


@dataclass(eq=False)
class Job:
    """One job of an array."""

    task: JobTask
    label: str
    submitted: datetime
    run: RunFolder
    attempt: AttemptFolder
    corr: int | None
    after: tuple[JobTask, ...]
    word: str = "PENDING"
    changed: datetime = LONG_AGO
    code: int | None = None
    signal: int | None = None
    node: str = ""
    process: Process | None = None
    held: bool = False
    """Whether a node could not start it, and Slurm holds it since."""

    @property
    def is_live(self) -> bool:
        return self.word in LIVE_WORDS


@dataclass
class SimulatedSlurm:
    """The cluster. `advance` lets time pass; everything else answers at once."""

    study: StudyFolder
    rng: Random
    requeues: bool
    has_accounts: bool
    faults: Faults = NO_FAULTS
    slots: int = 4
    now: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    jobs: list[Job] = field(default_factory=list[Job])
    accounts_seen: list[tuple[datetime, tuple[SlurmJob, ...]]] = field(
        default_factory=list[tuple[datetime, tuple[SlurmJob, ...]]]
    )
    processes: list[Process] = field(default_factory=list[Process])
    next_number: int = 1
    seen: Counter[str] = field(default_factory=Counter[str])
    sbatch_calls: int = 0
    pids: int = 1_000_000

    def happens(self, kind: str) -> bool:
        """Draw whether something goes wrong now, and count it."""
        if self.rng.random() >= getattr(self.faults, kind):
            return False
        self.seen[kind] += 1
        return True

    # -- what the launcher asks

    def limits(self) -> SlurmLimits:
        return SlurmLimits(max_array_size=3, max_submitted=None)

    def queue(self) -> Answer:
        if self.happens("queue_silent"):
            return Unanswered(silence=Silence.TIMED_OUT, reason="no answer in time")
        shown = [self._told(j) for j in self.jobs if j.is_live or self.now - j.changed < KEPT]
        if shown and self.happens("queue_cut"):
            shown.pop(self.rng.randrange(len(shown)))
            return Told(jobs=tuple(shown), garbled=("?",), complete=False)
        return Told(jobs=tuple(shown), garbled=(), complete=True)

    def accounts(self, since: datetime, numbers: Sequence[int]) -> Answer:
        del since
        if not self.has_accounts:
            return Unanswered(silence=Silence.DISABLED, reason="disabled")
        if self.happens("accounts_silent"):
            return Unanswered(silence=Silence.UNREACHABLE, reason="no database")
        jobs = self._recorded()
        if self.accounts_seen and self.happens("accounts_lag"):
            jobs = self.rng.choice(self.accounts_seen[-4:])[1]
        named = [j for j in jobs if not numbers or j.task.job_id in numbers]
        return Told(jobs=tuple(named), garbled=(), complete=True)

    def submit(self, folder: SubmissionFolder) -> Submitted:
        self.sbatch_calls += 1
        assert folder.script.exists()
        if self.happens("full"):
            return Submitted(reply=Reply.FULL, words="AssocMaxSubmitJobLimit")
        if self.happens("sbatch_lost"):
            return Submitted(reply=Reply.UNCERTAIN, words="timed out")
        submission = read_submission(folder)
        corr, after = _waits(submission.dependency)
        known = {job.task for job in self.jobs}
        numbers = {task.job_id for task in known}
        if (corr is not None and corr not in numbers) or any(t not in known for t in after):
            return Submitted(reply=Reply.GONE, words="Job dependency problem")
        number = self.next_number
        self.next_number += 1
        for task in submission.tasks:
            run = self.study.run(task.run_id)
            self.jobs.append(
                Job(
                    task=JobTask(job_id=number, task=task.index),
                    label=f"sim/{submission.token}|",
                    submitted=self.now,
                    run=run,
                    attempt=run.attempt(task.attempt),
                    corr=corr,
                    after=after,
                )
            )
        if self.happens("sbatch_heard_late"):
            return Submitted(reply=Reply.UNCERTAIN, words="timed out")
        return Submitted(reply=Reply.ACCEPTED, number=number)

    def cancel(self, jobs: Sequence[JobTask]) -> None:
        for job in self.jobs:
            if job.task in jobs and job.word == "PENDING":
                self._end(job, "CANCELLED")

    def ask_to_leave(self, jobs: Sequence[JobTask]) -> None:
        raise AssertionError(f"no history asks for that: {jobs}")

    def hold(self, jobs: Sequence[JobTask]) -> None:
        raise AssertionError(f"no history asks for that: {jobs}")

    def release(self, jobs: Sequence[JobTask]) -> None:
        for job in self.jobs:
            if job.task in jobs:
                job.held = False

    # -- what happens by itself

    def advance(self, seconds: float) -> None:
        """Let time pass in steps."""
        end = self.now + timedelta(seconds=seconds)
        while self.now < end:
            self.now += STEP
            self._lose_controller()
            for process in list(self.processes):
                self._go_on(process)
            for job in list(self.jobs):
                self._disturb(job)
            for job in list(self.jobs):
                self._start(job)
            self.check()
            self.accounts_seen.append((self.now, self._recorded()))

    def check(self) -> None:
        """Hold the promise: one writer and one live job of each run, at every moment."""
        writers = Counter(
            p.run.run_id for p in self.processes if read_lease(p.run) == p.lease and p.beats
        )
        assert all(count == 1 for count in writers.values()), writers
        live = Counter(job.run.run_id for job in self.jobs if job.is_live)
        assert all(count == 1 for count in live.values()), live

    def _start(self, job: Job) -> None:
        if job.word != "PENDING" or self._waits_for(job) is not None:
            return
        if self.happens("launch_failed"):
            job.held = True
            return
        if sum(j.word == "RUNNING" for j in self.jobs) >= self.slots:
            return
        job.word, job.changed = "RUNNING", self.now
        job.node = f"n{self.rng.randrange(100)}"
        self._work(job)

    def _waits_for(self, job: Job) -> str | None:
        """Return why a job does not start: its reason in the queue."""
        if job.held:
            return "launch failed requeued held"
        wanted = list(job.after)
        if job.corr is not None:
            wanted.append(JobTask(job_id=job.corr, task=job.task.task))
        words = [self._word_of(task) for task in wanted]
        if any(word not in (*LIVE_WORDS, "COMPLETED", None) for word in words):
            return "DependencyNeverSatisfied"
        return "Dependency" if any(word in LIVE_WORDS for word in words) else None

    def _word_of(self, task: JobTask) -> str | None:
        return next((j.word for j in reversed(self.jobs) if j.task == task), None)

    def _work(self, job: Job) -> None:
        """Do what `worker.entry` does before the stage, in its order."""
        run, attempt = job.run, job.attempt
        if is_done(run):
            self._end(job, "COMPLETED", 0)
            return
        ending = read_exit(attempt)
        if ending and ending.job_state is not None:
            self._leave(job, ExitCode.LEASE_HELD, write=False)
            return
        if ending:
            set_aside_exit(attempt)
        record = read_run(run)
        if not all(is_done(self.study.run(need)) for need in record.needs):
            self._leave(job, ExitCode.NOT_READY)
            return
        self.pids += 1
        token = read_intent(attempt).token
        lease = Lease(
            attempt=attempt.number, token=token, host=job.node, pid=self.pids, process_start="x"
        )
        holder = read_lease(run)
        if holder and is_alive(run, holder, self.now) and self._is_silent(run):
            job.word = "PENDING"  # it waits inside the job for the holder's silence
            return
        try:
            take(run, lease, self.now)
        except LeaseHeldError:
            self._leave(job, ExitCode.LEASE_HELD)
            return
        self._beat(run)
        attempt.log.touch()
        lasts = timedelta(seconds=self.rng.randrange(30, 600))
        job.process = Process(run=run, attempt=attempt, lease=lease, ends=self.now + lasts)
        self.processes.append(job.process)

    def _is_silent(self, run: RunFolder) -> bool:
        return not any(p.run.run_id == run.run_id and p.beats for p in self.processes)

    def _go_on(self, process: Process) -> None:
        if not process.beats:
            if self.rng.random() < 0.02:
                process.beats = True  # it wakes up, and looks whether the run is still its own
            return
        if read_lease(process.run) != process.lease:
            self._finish(process, ExitCode.LEASE_HELD)
            return
        self._beat(process.run)
        if self.now >= process.ends:
            value = int(process.run.run_id, 16) % 1000 / 1000
            measure = Measure(suite="s", benchmark="b", metric="m", value=value)
            with guarded(process.run, process.lease):
                write_result(process.run, StageResult(measures=(measure,), counts={"steps": 1}))
                write_done(process.run)
            self._finish(process, ExitCode.DONE)
        elif self.happens("frozen"):
            process.beats = False

    def _beat(self, run: RunFolder) -> None:
        instant = self.now.timestamp()
        os.utime(run.lease, (instant, instant))

    def _finish(self, process: Process, code: ExitCode) -> None:
        self.processes.remove(process)
        if process.attempt.path.is_dir():
            ending = read_exit(process.attempt)
            if ending is None or ending.job_state is None:
                write_exit(process.attempt, self._exit(process.lease.token, code))
        give_back(process.run, process.lease)
        job = next((j for j in self.jobs if j.process is process), None)
        if job is not None:
            if code is ExitCode.WARNED:
                self._requeue(job)
            else:
                self._end(job, "COMPLETED" if code is ExitCode.DONE else "FAILED", code.value)

    def _leave(self, job: Job, code: ExitCode, *, write: bool = True) -> None:
        if write:
            token = read_intent(job.attempt).token
            write_exit(job.attempt, self._exit(token, code))
        self._end(job, "FAILED", code.value)

    def _exit(self, token: str, code: ExitCode) -> Exit:
        cause = CAUSES.get(code)
        return Exit(
            token=token,
            code=code.value,
            cause=cause,
            message=cause.value if cause else None,
            started=timestamp(self.now),
            ended=timestamp(self.now),
            seconds=1.0,
            device="cpu",
            step=None,
            steps_per_second=None,
            peak_memory_mib=None,
        )

    def _end(self, job: Job, word: str, code: int | None = None) -> None:
        job.word, job.code, job.changed = word, code, self.now
        job.process = None

    def _requeue(self, job: Job) -> None:
        job.word, job.submitted, job.changed, job.process = "PENDING", self.now, self.now, None

    def _disturb(self, job: Job) -> None:
        if job.word != "RUNNING" or job.process is None:
            return
        if self.happens("killed"):
            self.processes.remove(job.process)
            self._end(job, "FAILED", 9)
            job.signal = 9
        elif self.happens("node_failure"):
            if self.rng.random() < 0.5:
                self.processes.remove(job.process)  # else it goes on, and nobody sees it
            if self.requeues:
                self._requeue(job)
            else:
                self._end(job, "NODE_FAIL")
        elif self.happens("warned") and job.process.beats:
            self._finish(job.process, ExitCode.WARNED)

    def _lose_controller(self) -> None:
        """Forget the jobs of the last seconds, and give their numbers out again."""
        if not self.happens("controller_lost"):
            return
        kept = [j for j in self.jobs if self.now - j.submitted > timedelta(seconds=30)]
        if len(kept) < len(self.jobs):
            self.jobs = kept
            self.next_number = max((j.task.job_id for j in kept), default=0) + 1

    def _told(self, job: Job) -> SlurmJob:
        reason = self._waits_for(job) if job.word == "PENDING" else None
        return SlurmJob(
            task=job.task,
            word=job.word,
            submitted=job.submitted,
            label=job.label,
            nodes=job.node,
            reason=reason or "None",
        )

    def _recorded(self) -> tuple[SlurmJob, ...]:
        return tuple(
            replace(self._told(j), reason=None, code=j.code or 0, signal=j.signal)
            for j in self.jobs
        )


def _waits(dependency: str | None) -> tuple[int | None, tuple[JobTask, ...]]:
    kind, _, rest = (dependency or "").partition(":")
    if kind == "aftercorr":
        return int(rest), ()
    pairs = [part.split("_") for part in rest.split(":") if part]
    return None, tuple(JobTask(job_id=int(number), task=int(task)) for number, task in pairs)
