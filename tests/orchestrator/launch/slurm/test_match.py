"""A job is known by its token, never by its number or by clocks."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from orchestrator.launch.slurm.answers import Answer, Silence, Told, Unanswered
from orchestrator.launch.slurm.ids import JobTask
from orchestrator.launch.slurm.jobs import SlurmJob, SlurmStep
from orchestrator.launch.slurm.match import Finding, Jobs, Presence, Sought, tokens_in

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
TOKEN, OTHER = UUID(int=0xA1).hex, UUID(int=0xB2).hex
NOBODY = Told(jobs=(), garbled=(), complete=True)
DOWN = Unanswered(silence=Silence.UNREACHABLE, reason="connection refused")
DISABLED = Unanswered(silence=Silence.DISABLED, reason="accounting storage is disabled")


def job(
    number: int,
    token: str = TOKEN,
    *,
    word: str = "RUNNING",
    minutes: float = 1.0,
    task: int | None = None,
) -> SlurmJob:
    return SlurmJob(
        task=JobTask(job_id=number, task=task),
        word=word,
        submitted=NOON + timedelta(minutes=minutes),
        label=f"study/run|sweep {token}",
        nodes="n1",
    )


def told(*jobs: SlurmJob, complete: bool = True) -> Told:
    return Told(jobs=jobs, garbled=() if complete else ("?",), complete=complete)


def find(queue: Answer, accounts: Answer = NOBODY, *, task: int | None = None) -> Finding:
    return Jobs(queue, accounts).find(Sought(token=TOKEN, task=task, number=None))


def words(found: Sequence[SlurmJob]) -> list[str]:
    return [life.word for life in found]


def test_a_job_is_found_by_its_token() -> None:
    finding = find(told(job(6, OTHER), job(7)))
    assert finding.presence is Presence.FOUND
    assert finding.job == job(7)


def test_a_number_handed_out_again_is_not_ours() -> None:
    # The controller lost job 7 and gave its number to somebody else's job.
    finding = find(told(job(7, OTHER)), told(job(7, OTHER, word="COMPLETED")))
    assert (finding.presence, finding.job) == (Presence.ABSENT, None)


def test_both_lives_of_a_number_are_told_apart() -> None:
    accounts = told(job(7, word="CANCELLED"), job(7, OTHER, word="COMPLETED", minutes=9))
    finding = find(NOBODY, accounts)
    assert finding.presence is Presence.FOUND
    assert words(finding.lives) == ["CANCELLED"]


@pytest.mark.parametrize("minutes", [-90.0, 90.0])
def test_a_controller_whose_clock_differs_hides_no_job(minutes: float) -> None:
    assert find(told(job(7, minutes=minutes))).presence is Presence.FOUND


def test_tasks_of_one_array_share_a_token_and_are_told_apart() -> None:
    array = told(job(7, task=0), job(7, task=1, word="PENDING"))
    found = find(array, task=1).job
    assert found is not None
    assert found.word == "PENDING"
    assert find(array, task=2).presence is Presence.ABSENT
    assert find(array).presence is Presence.ABSENT


def test_the_queue_knows_better_than_the_accounts() -> None:
    finding = find(told(job(7)), told(job(7, word="PENDING")))
    assert finding.job is not None
    assert finding.job.word == "RUNNING"
    assert words(finding.lives) == ["RUNNING"]


def test_an_end_in_the_queue_gets_its_exit_code_from_the_accounts() -> None:
    step = SlurmStep(name="0", word="FAILED", code=75, signal=None)
    record = replace(job(7, word="FAILED"), code=1, signal=9, seconds=5.0, steps=(step,))
    finding = find(told(job(7, word="FAILED")), told(record))
    assert finding.job is not None
    assert (finding.job.code, finding.job.signal, finding.job.seconds) == (1, 9, 5.0)
    assert finding.job.steps == (step,)
    assert len(finding.lives) == 1


def test_a_new_life_in_the_queue_gets_nothing_from_the_old_one() -> None:
    old = replace(job(7, word="PREEMPTED"), code=15)
    finding = find(told(job(7, word="PENDING", minutes=5)), told(old))
    assert words(finding.lives) == ["PREEMPTED", "PENDING"]
    assert finding.job is not None
    assert finding.job.code is None


def test_of_several_lives_the_last_one_counts() -> None:
    lives = told(job(7, word="COMPLETED", minutes=20), job(7, word="PREEMPTED"))
    finding = find(NOBODY, lives)
    assert words(finding.lives) == ["PREEMPTED", "COMPLETED"]
    assert finding.job is not None
    assert finding.job.word == "COMPLETED"


@pytest.mark.parametrize(
    ("queue", "accounts", "presence"),
    [
        (NOBODY, NOBODY, Presence.ABSENT),
        (NOBODY, DISABLED, Presence.ABSENT),
        (NOBODY, DOWN, Presence.UNKNOWN),
        (DOWN, NOBODY, Presence.UNKNOWN),
        (DOWN, DOWN, Presence.UNKNOWN),
        (told(complete=False), NOBODY, Presence.UNKNOWN),
        (NOBODY, told(complete=False), Presence.UNKNOWN),
    ],
)
def test_a_job_is_absent_only_if_all_who_could_know_answered_in_full(
    queue: Answer, accounts: Answer, presence: Presence
) -> None:
    finding = find(queue, accounts)
    assert finding.presence is presence
    assert finding.why


@pytest.mark.parametrize(
    ("accounts", "numbers", "presence"),
    [
        (NOBODY, [7], Presence.ABSENT),
        (NOBODY, [], Presence.UNKNOWN),
        (NOBODY, [6], Presence.UNKNOWN),
        (DISABLED, [], Presence.ABSENT),
    ],
)
def test_a_numbered_job_is_absent_only_if_sacct_was_asked_for_its_number(
    accounts: Answer, numbers: list[int], presence: Presence
) -> None:
    # sacct leaves out a job that was cancelled before it became eligible, unless asked by number.
    sought = Sought(token=TOKEN, task=None, number=7)
    assert Jobs(NOBODY, accounts, numbers).find(sought).presence is presence


def test_one_answer_is_enough_to_find_a_job() -> None:
    assert find(DOWN, told(job(7, word="FAILED"))).presence is Presence.FOUND
    assert find(told(job(7), complete=False), DOWN).presence is Presence.FOUND


@pytest.mark.parametrize(
    ("label", "tokens"),
    [
        (f"study/run-{TOKEN}|", (TOKEN,)),
        (f"name|{TOKEN}", (TOKEN,)),
        (f"{TOKEN}|{TOKEN} {OTHER}", (TOKEN, OTHER)),
        (f"{TOKEN}0|", ()),
        (f"x{TOKEN}|", ()),
        (TOKEN[:-1], ()),
        ("", ()),
    ],
)
def test_a_token_counts_only_whole(label: str, tokens: tuple[str, ...]) -> None:
    assert tokens_in(label) == tokens
