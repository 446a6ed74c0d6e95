"""Every word of squeue(1) and sacct(1) is understood; every other word is unknown, never an end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.launch.slurm.states import (
    RETURN_SECONDS,
    Standing,
    full_name,
    read_state,
)
from orchestrator.plan.causes import Cause
from orchestrator.plan.observed import State
from orchestrator.spec.slurm_site import Requeue

# From squeue(1), section JOB STATE CODES, and sacct(1): short form, long form.
DOCUMENTED = {
    "BF": "BOOT_FAIL",
    "CA": "CANCELLED",
    "CD": "COMPLETED",
    "CF": "CONFIGURING",
    "CG": "COMPLETING",
    "DL": "DEADLINE",
    "F": "FAILED",
    "NF": "NODE_FAIL",
    "OOM": "OUT_OF_MEMORY",
    "PD": "PENDING",
    "PR": "PREEMPTED",
    "R": "RUNNING",
    "RD": "RESV_DEL_HOLD",
    "RF": "REQUEUE_FED",
    "RH": "REQUEUE_HOLD",
    "RQ": "REQUEUED",
    "RS": "RESIZING",
    "RV": "REVOKED",
    "SI": "SIGNALING",
    "SE": "SPECIAL_EXIT",
    "SO": "STAGE_OUT",
    "ST": "STOPPED",
    "S": "SUSPENDED",
    "TO": "TIMEOUT",
}
LIVE = {
    "PENDING": State.QUEUED,
    "CONFIGURING": State.QUEUED,
    "REQUEUED": State.QUEUED,
    "REQUEUE_FED": State.QUEUED,
    "REQUEUE_HOLD": State.QUEUED,
    "RESV_DEL_HOLD": State.QUEUED,
    "SPECIAL_EXIT": State.QUEUED,
    "POWER_UP_NODE": State.QUEUED,
    "RUNNING": State.RUNNING,
    "COMPLETING": State.RUNNING,
    "RESIZING": State.RUNNING,
    "SIGNALING": State.RUNNING,
    "STAGE_OUT": State.RUNNING,
    "STOPPED": State.RUNNING,
    "SUSPENDED": State.RUNNING,
}
BOTH = list(Requeue)


@pytest.mark.parametrize("requeue", BOTH)
@pytest.mark.parametrize(("short", "long"), DOCUMENTED.items())
def test_short_and_long_forms_mean_the_same(short: str, long: str, requeue: Requeue) -> None:
    assert read_state(short, requeue) == read_state(long, requeue)
    assert read_state(f"  {long.lower()}\n", requeue) == read_state(long, requeue)
    assert full_name(short) == long


@pytest.mark.parametrize("requeue", BOTH)
@pytest.mark.parametrize(("word", "state"), LIVE.items())
def test_live_jobs_are_live_under_both_policies(word: str, state: State, requeue: Requeue) -> None:
    reading = read_state(word, requeue)
    assert (reading.standing, reading.state) == (Standing.LIVE, state)


@pytest.mark.parametrize("word", ["REQUEUE_HOLD", "RESV_DEL_HOLD", "SPECIAL_EXIT"])
def test_held_jobs_are_told_apart_from_waiting_ones(word: str) -> None:
    assert read_state(word, Requeue.REQUEUE).held
    assert not read_state("PENDING", Requeue.REQUEUE).held


@pytest.mark.parametrize("requeue", BOTH)
@pytest.mark.parametrize(
    ("word", "cause"),
    [
        ("FAILED", None),
        ("TIMEOUT", Cause.TIME_LIMIT),
        ("DEADLINE", Cause.TIME_LIMIT),
        ("OUT_OF_MEMORY", Cause.HOST_MEMORY),
        ("CANCELLED", Cause.CANCELLED),
    ],
)
def test_ends_with_their_causes(word: str, cause: Cause | None, requeue: Requeue) -> None:
    reading = read_state(word, requeue)
    assert (reading.standing, reading.state) == (Standing.ENDED, State.FAILED)
    assert reading.cause is cause


@pytest.mark.parametrize("requeue", BOTH)
def test_completed_is_an_end_without_a_cause(requeue: Requeue) -> None:
    reading = read_state("COMPLETED", requeue)
    assert (reading.standing, reading.cause) == (Standing.ENDED_WELL, None)


@pytest.mark.parametrize(
    ("word", "cause"),
    [
        ("NODE_FAIL", Cause.NODE_FAILURE),
        ("BOOT_FAIL", Cause.NODE_FAILURE),
        ("PREEMPTED", Cause.PREEMPTED),
    ],
)
def test_under_requeue_slurm_has_time_to_bring_a_job_back(word: str, cause: Cause) -> None:
    reading = read_state(word, Requeue.REQUEUE)
    assert (reading.standing, reading.state) == (Standing.MAY_RETURN, State.UNKNOWN)
    assert (reading.wait_seconds, reading.cause) == (RETURN_SECONDS, cause)


def test_under_cancel_a_preempted_job_has_ended_for_good() -> None:
    reading = read_state("PREEMPTED", Requeue.CANCEL)
    assert (reading.standing, reading.cause) == (Standing.ENDED, Cause.PREEMPTED)
    assert reading.wait_seconds == 0


def test_a_lost_node_may_go_on_computing_so_its_replacement_waits() -> None:
    reading = read_state("NODE_FAIL", Requeue.CANCEL)
    assert (reading.standing, reading.wait_seconds) == (Standing.ENDED, RETURN_SECONDS)


@pytest.mark.parametrize("requeue", BOTH)
@pytest.mark.parametrize("word", ["LAUNCH_FAILED", "RECONFIG_FAIL"])
def test_a_failed_start_may_come_back_under_both_policies(word: str, requeue: Requeue) -> None:
    assert read_state(word, requeue).standing is Standing.MAY_RETURN


def test_who_cancelled_is_read() -> None:
    reading = read_state("CANCELLED by 1234", Requeue.REQUEUE)
    assert (reading.word, reading.cancelled_by) == ("CANCELLED", 1234)
    assert reading.cause is Cause.CANCELLED
    assert read_state("CANCELLED by 0", Requeue.CANCEL).cancelled_by == 0
    assert read_state("CANCELLED", Requeue.CANCEL).cancelled_by is None


@pytest.mark.parametrize(
    ("cut", "long"),
    [
        ("CANCELLED+", "CANCELLED"),
        ("OUT_OF_ME+", "OUT_OF_MEMORY"),
        ("SPECIAL_E+", "SPECIAL_EXIT"),
        ("REQUEUE_H+", "REQUEUE_HOLD"),
        ("CONFIGURI+", "CONFIGURING"),
    ],
)
def test_words_cut_off_by_a_narrow_column_are_completed(cut: str, long: str) -> None:
    assert read_state(cut, Requeue.CANCEL) == read_state(long, Requeue.CANCEL)


@pytest.mark.parametrize("requeue", BOTH)
@pytest.mark.parametrize(
    "word",
    [
        "",
        " ",
        "+",
        "C+",
        "REQUEUE+",
        "COMPLET",
        "COMPLETEDLY",
        "CANCELLED by",
        "CANCELLED by root",
        "INVALID",
        "None",
        "N/A",
        "0",
        "REVOKED",
        "UPDATE_DB",
        "COMPLETED FAILED",
        "Ünbekannt",
    ],
)
def test_what_cannot_be_told_is_unknown_and_never_an_end(word: str, requeue: Requeue) -> None:
    reading = read_state(word, requeue)
    assert (reading.standing, reading.state) == (Standing.UNKNOWN, State.UNKNOWN)
    assert reading.cause is None


@given(st.text(max_size=30))
def test_no_word_ends_an_attempt_unless_slurm_knows_it(word: str) -> None:
    if full_name(word) is None:
        assert read_state(word, Requeue.CANCEL).standing is Standing.UNKNOWN
