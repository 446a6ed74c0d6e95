"""Find out where each run stands that a cluster has: one squeue, and one sacct if it is needed."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from orchestrator.errors import RecordError
from orchestrator.launch.open_attempts import OpenAttempt, Seen, open_attempt, write_seen
from orchestrator.launch.slurm.answers import Answer, Silence, Told, Unanswered
from orchestrator.launch.slurm.closing import close
from orchestrator.launch.slurm.ids import JobTask
from orchestrator.launch.slurm.jobs import SlurmJob
from orchestrator.launch.slurm.judge import Look, Verdict, judge, stuck_by
from orchestrator.launch.slurm.match import Finding, Jobs, Presence, Sought, tokens_in
from orchestrator.launch.slurm.scheduler import Scheduler
from orchestrator.launch.slurm.states import Standing, read_state
from orchestrator.launch.states import Moment, damaged, observe_run
from orchestrator.plan.causes import Cause
from orchestrator.plan.observed import Observed, State
from orchestrator.plan.plan import Plan
from orchestrator.spec.slurm_site import Requeue
from orchestrator.store.attempts import attempt_numbers
from orchestrator.store.layout import RunFolder, StudyFolder
from orchestrator.store.records import is_done
from orchestrator.store.submissions import read_number, read_submission
from orchestrator.store.versioned import timestamp
from orchestrator.store.wishes import read_wish
from orchestrator.worker.lease import is_alive, read_lease


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """Where every run stands, and which jobs make those under way."""

    observed: dict[str, Observed]
    """Every run of the plan."""
    jobs: dict[str, JobTask]
    """Jobs of runs under way."""
    parked: tuple[JobTask, ...]
    """Jobs of finished runs that Slurm holds: other jobs may wait for them to end."""
    newest: dict[str, int]
    """The newest attempt at each run, where there is one."""
    others: int
    """The user's waiting and running jobs that are not this study's."""
    silence: str | None
    """Why Slurm could not be asked; None if it answered."""

    @property
    def placed(self) -> dict[str, JobTask]:
        """The jobs that other jobs can be told to wait for."""
        return {name: job for name, job in self.jobs.items() if self.observed[name].waitable}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Whom to ask, and about what."""

    folder: StudyFolder
    """The study's results."""
    scheduler: Scheduler
    """Knows the jobs."""
    requeue: Requeue
    """What Slurm does with jobs whose node failed or whose place was taken."""


def look(asked: Asked, plan: Plan, moment: Moment, *, write: bool) -> Picture:
    """Find out where every run of a plan stands.

    Args:
        asked: whom to ask.
        plan: the runs.
        moment: the present, and since when ends are new.
        write: whether attempts whose jobs have ended are closed; else nothing is written.
    """
    return _Eyes(asked, moment, write=write).look(plan)


class _Eyes:
    def __init__(self, asked: Asked, moment: Moment, *, write: bool) -> None:
        self._asked = asked
        self._moment = moment
        self._write = write
        self._numbers: dict[str, int | None] = {}

    def look(self, plan: Plan) -> Picture:
        folder = self._asked.folder
        observed, attempts, newest = self._files(folder, plan)
        queue = self._asked.scheduler.queue()
        accounts = self._accounts(queue, list(attempts.values()))
        jobs = Jobs(queue, accounts[0], accounts[1])
        found: dict[str, JobTask] = {}
        for name, attempt in attempts.items():
            finding = jobs.find(self._sought(attempt))
            observed[name] = self._judged(attempt, finding)
            if finding.job is not None and finding.queued and _has_life(finding.job):
                found[name] = finding.job.task
        return Picture(
            observed=observed,
            jobs=found,
            parked=self._parked(queue, observed),
            newest=newest,
            others=max(0, _waiting(queue) - len(found)),
            silence=queue.reason if isinstance(queue, Unanswered) else None,
        )

    def _parked(self, queue: Answer, observed: Mapping[str, Observed]) -> tuple[JobTask, ...]:
        """Find held jobs whose runs are done: a process that was given up on has finished them."""
        held = [
            job
            for job in (queue.jobs if isinstance(queue, Told) else ())
            if _has_life(job) and stuck_by(job.reason) is Cause.NODE_FAILURE
        ]
        return tuple(job.task for job in held if self._is_finished(job, observed))

    def _is_finished(self, job: SlurmJob, observed: Mapping[str, Observed]) -> bool:
        for token in tokens_in(job.label):
            folder = self._asked.folder.submission(token)
            if not folder.submission.exists():
                continue  # another study's
            with suppress(RecordError):
                runs = {task.index: task.run_id for task in read_submission(folder).tasks}
                seen = observed.get(runs.get(job.task.task or 0, ""))
                return seen is not None and seen.state is State.DONE
        return False

    def _files(
        self, folder: StudyFolder, plan: Plan
    ) -> tuple[dict[str, Observed], dict[str, OpenAttempt], dict[str, int]]:
        """Read the run folders: what they settle by themselves, and what Slurm has to be asked."""
        observed: dict[str, Observed] = {}
        attempts: dict[str, OpenAttempt] = {}
        newest: dict[str, int] = {}
        try:
            there = {path.name for path in folder.runs.iterdir()}
        except FileNotFoundError:
            there = set[str]()
        for run in plan.runs:
            name = run.run_id
            if name not in there:
                observed[name] = Observed(state=State.PLANNED)
                continue
            observed[name] = observe_run(folder.run(name), self._moment)
            newest[name] = max(attempt_numbers(folder.run(name)), default=0)
            attempt = self._open(folder.run(name), observed[name])
            if isinstance(attempt, OpenAttempt):
                attempts[name] = attempt
            elif attempt is not None:
                observed[name] = attempt
        return observed, attempts, newest

    def _open(self, run: RunFolder, seen: Observed) -> OpenAttempt | Observed | None:
        if seen.state in (State.DONE, State.PLANNED) or seen.cause is not None:
            return None
        try:
            return open_attempt(run)
        except RecordError as error:
            return damaged(error)

    def _accounts(
        self, queue: Answer, attempts: Sequence[OpenAttempt]
    ) -> tuple[Answer, tuple[int, ...]]:
        """Ask sacct about attempts that the queue does not show alive; return what was asked."""
        unseen = Jobs(queue, _NOT_ASKED)
        doubtful = [a for a in attempts if not _is_live(unseen.find(self._sought(a)))]
        if not doubtful or isinstance(queue, Unanswered):
            return _NOT_ASKED, ()
        known = [self._sought(attempt).number for attempt in doubtful]
        numbers = tuple(sorted({n for n in known if n is not None})) if None not in known else ()
        since = min(attempt.written for attempt in doubtful)
        return self._asked.scheduler.accounts(since, numbers), numbers

    def _sought(self, attempt: OpenAttempt) -> Sought:
        intent = attempt.intent
        if intent.token not in self._numbers:
            try:
                number = read_number(self._asked.folder.submission(intent.token))
            except RecordError:
                number = None
            self._numbers[intent.token] = number
        return Sought(
            token=intent.token,
            task=intent.task,
            number=self._numbers[intent.token],
        )

    def _judged(self, attempt: OpenAttempt, finding: Finding) -> Observed:
        try:
            return self._observed(attempt, finding)
        except RecordError as error:
            return damaged(error)

    def _observed(self, attempt: OpenAttempt, finding: Finding) -> Observed:
        folder, moment = attempt.folder, self._moment
        lease = read_lease(folder)
        alive = lease is not None and is_alive(folder, lease, moment.now)
        requeue = self._asked.requeue
        verdict = judge(attempt, finding, Look(now=moment.now, requeue=requeue, is_alive=alive))
        if self._write:
            self._remember(attempt, verdict)
        if verdict.is_over and self._write:
            self._close(attempt, finding, verdict)
            return observe_run(folder, moment)
        wished = read_wish(folder)
        return Observed(
            state=State.UNKNOWN if verdict.is_over else verdict.state,
            attempts=attempt.number,
            message="its job has ended; the next launch closes it"
            if verdict.is_over
            else verdict.message,
            wish=wished.wish if wished else None,
            on_cluster=True,
            waitable=_is_live(finding) and finding.queued and not verdict.stuck,
            stuck=verdict.stuck,
        )

    def _remember(self, attempt: OpenAttempt, verdict: Verdict) -> None:
        if verdict.watch and (attempt.seen is None or attempt.seen.word != verdict.word):
            since = timestamp(self._moment.now)
            write_seen(attempt.attempt, Seen(word=verdict.word, since=since))

    def _close(self, attempt: OpenAttempt, finding: Finding, verdict: Verdict) -> None:
        if is_done(attempt.folder):  # it finished while we looked
            return
        submission = self._asked.folder.submission(attempt.intent.token)
        close(attempt, finding.job, verdict, submission, self._moment.now)


_NOT_ASKED = Unanswered(silence=Silence.FAILED, reason="it was not asked")


def _is_live(finding: Finding) -> bool:
    if finding.presence is not Presence.FOUND or finding.job is None:
        return False
    return _has_life(finding.job)


def _has_life(job: SlurmJob) -> bool:
    return read_state(job.word, Requeue.REQUEUE).standing is Standing.LIVE


def _waiting(queue: Answer) -> int:
    """Count the jobs of a user that wait or run."""
    return sum(map(_has_life, queue.jobs)) if isinstance(queue, Told) else 0
