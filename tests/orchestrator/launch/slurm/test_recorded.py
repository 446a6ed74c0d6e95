"""What a real Slurm answered is read as it was meant."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from orchestrator.launch.evidence import slurm_evidence
from orchestrator.launch.slurm.answers import (
    SQUEUE,
    Answer,
    CommandOutput,
    Silence,
    Told,
    Unanswered,
    read_sacct,
    read_squeue,
    sacct_command,
)
from orchestrator.launch.slurm.jobs import SlurmJob
from orchestrator.launch.slurm.match import Finding, Jobs, Presence, Sought
from orchestrator.launch.slurm.states import Standing, full_name, read_state
from orchestrator.launch.triage import triage
from orchestrator.plan.causes import Cause
from orchestrator.spec.slurm_site import Requeue

OURS = Path(__file__).parent / "recorded"
OTHERS = Path(__file__).parent / "outputs"
WRITTEN = datetime.fromtimestamp(1795658842, UTC)
ARRAY, HELD, HIDDEN, WAITED = (f"{n:032x}" for n in (0xA11CE, 0xB0B, 0xCAFE, 0xD00D))


def recorded(path: Path) -> CommandOutput:
    """Return what a file says that a command left behind."""
    _, status, rest = path.read_text("utf-8").split("\n", 2)
    stdout, _, stderr = rest.partition("# stderr\n")
    code = int(status.removeprefix("# exit "))
    return CommandOutput(stdout=stdout.encode(), stderr=stderr.encode(), code=code)


def told(answer: Answer) -> Told:
    assert isinstance(answer, Told)
    return answer


QUEUE = read_squeue(recorded(OURS / "squeue.txt"), UTC)
ACCOUNTS = read_sacct(recorded(OURS / "sacct.txt"), UTC)
BY_NUMBER = read_sacct(recorded(OURS / "sacct_by_number.txt"), UTC)
NO_QUEUE = Told(jobs=(), garbled=(), complete=True)


NUMBERS = {ARRAY: 7, HELD: 8, HIDDEN: 9, WAITED: 10}


def find(token: str, task: int | None = None, *, queue: Answer, accounts: Answer) -> Finding:
    asked = NUMBERS.values() if accounts is BY_NUMBER else ()
    sought = Sought(token=token, task=task, number=NUMBERS[token])
    return Jobs(queue, accounts, tuple(asked)).find(sought)


def job_of(finding: Finding) -> SlurmJob:
    assert finding.job is not None
    return finding.job


def test_the_recordings_are_of_the_calls_that_are_made() -> None:
    for part in SQUEUE:
        assert part in (OURS / "squeue.txt").read_text("utf-8").split("\n")[0]
    wide, narrow = sacct_command(WRITTEN), sacct_command(WRITTEN, [7, 8, 9, 10])
    for name, command in (("sacct.txt", wide), ("sacct_by_number.txt", narrow)):
        line = (OURS / name).read_text("utf-8").split("\n")[0]
        assert all(part in line for part in command if "--starttime" not in part)


@pytest.mark.parametrize("answer", [QUEUE, ACCOUNTS, BY_NUMBER])
def test_every_line_and_every_word_is_understood(answer: Answer) -> None:
    assert told(answer).garbled == ()
    assert told(answer).complete
    for job in told(answer).jobs:
        assert full_name(job.word), job
        assert all(full_name(step.word) for step in job.steps)
        assert job.submitted is not None


def test_arrays_are_counted_task_by_task() -> None:
    jobs = told(QUEUE).jobs
    assert sum(job.task.job_id == 7 for job in jobs) == 10
    assert sum(job.task.job_id == 8 for job in jobs) == 10
    assert sum(job.task.job_id == 1 for job in jobs) == 101


def test_odd_names_are_whole() -> None:
    labels = {job.task.job_id: job.label for job in told(QUEUE).jobs}
    assert labels[2] == "a|b|'c' \"d\" é|x|y"
    assert labels[3] == "line\nbreak|(null)"


def test_a_requeued_task_is_alive_though_the_accounts_have_its_old_life() -> None:
    finding = find(ARRAY, 1, queue=QUEUE, accounts=ACCOUNTS)
    assert [life.word for life in finding.lives] == ["REQUEUED", "PENDING"]
    assert read_state(job_of(finding).word, Requeue.REQUEUE).standing is Standing.LIVE


def test_an_exit_code_that_a_script_hides_is_found_in_its_step() -> None:
    job = job_of(find(HIDDEN, queue=QUEUE, accounts=ACCOUNTS))
    assert (job.word, job.code) == ("COMPLETED", 0)
    assert triage(slurm_evidence(job, None, [])).cause is Cause.STOPPED


def test_a_job_that_never_became_eligible_is_found_by_number_alone() -> None:
    wide = find(WAITED, queue=NO_QUEUE, accounts=ACCOUNTS)
    narrow = find(WAITED, queue=NO_QUEUE, accounts=BY_NUMBER)
    assert wide.presence is Presence.UNKNOWN
    assert job_of(narrow).word == "CANCELLED by 0"
    assert job_of(narrow).nodes == ""
    assert find(HELD, 30, queue=NO_QUEUE, accounts=BY_NUMBER).presence is Presence.FOUND


@pytest.mark.parametrize(
    ("name", "silence"),
    [
        ("squeue_controller_down.txt", Silence.UNREACHABLE),
        ("squeue_unknown_job.txt", Silence.FAILED),
        ("sacct_database_down.txt", Silence.UNREACHABLE),
        ("sacct_unknown_field.txt", Silence.FAILED),
        ("no_accounting_sacct.txt", Silence.DISABLED),
        ("no_accounting_sacct_duplicates.txt", Silence.DISABLED),
    ],
)
def test_real_refusals_are_no_answers(name: str, silence: Silence) -> None:
    read = read_squeue if name.startswith("squeue") else read_sacct
    answer = read(recorded(OTHERS / name), UTC)
    assert isinstance(answer, Unanswered)
    assert answer.silence is silence


def test_an_empty_queue_is_an_answer() -> None:
    assert read_squeue(recorded(OTHERS / "squeue_none.txt"), UTC) == NO_QUEUE
