"""Answers of squeue and sacct for many jobs: whole, odd, cut off, garbled, or not there at all.

The recorded answers of a real Slurm lie in `outputs`; these are drawn by hand.
"""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.launch.slurm.answers import (
    SACCT_FIELDS,
    SQUEUE,
    CommandOutput,
    Silence,
    Told,
    Unanswered,
    read_sacct,
    read_squeue,
    sacct_command,
)
from orchestrator.launch.slurm.ids import MOST_TASKS, JobTask, read_job_ids, read_step_id

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECONDS = int(NOON.timestamp())


def said(stdout: str | bytes, stderr: str = "", code: int | None = 0) -> CommandOutput:
    raw = stdout if isinstance(stdout, bytes) else stdout.encode()
    return CommandOutput(stdout=raw, stderr=stderr.encode(), code=code)


def queue(stdout: str | bytes, stderr: str = "") -> Told:
    answer = read_squeue(said(stdout, stderr), UTC)
    assert isinstance(answer, Told)
    return answer


def accounts(stdout: str | bytes, stderr: str = "") -> Told:
    answer = read_sacct(said(stdout, stderr), UTC)
    assert isinstance(answer, Told)
    return answer


def line(ids: str = "7", word: str = "RUNNING", label: str = "sweep|note") -> str:
    return f"{ids}|{word}|{SECONDS}|None|n[1-2]|{label}\n"


def record(ids: str = "7", word: str = "COMPLETED", ending: str = "0:0", label: str = "a|b") -> str:
    return f"{ids}|{word}|{ending}|{SECONDS}|61|5|n1|{label}\n"


def test_the_commands_ask_for_what_the_parsers_read() -> None:
    assert SQUEUE[-1].count("|") == 6
    assert sacct_command(NOON)[-1] == f"--format={','.join(SACCT_FIELDS)}"
    assert "--starttime=2026-02-28T12:00:00" in sacct_command(NOON)
    assert "--jobs=3,7" in sacct_command(NOON, [7, 3, 7])
    assert not any(part.startswith("--jobs") for part in sacct_command(NOON))
    elsewhere = NOON.astimezone(timezone(timedelta(hours=9)))
    assert sacct_command(elsewhere) == sacct_command(NOON)


def test_a_line_of_the_queue() -> None:
    (job,) = queue(line()).jobs
    assert job.task == JobTask(job_id=7, task=None)
    assert (job.word, job.submitted, job.reason) == ("RUNNING", NOON, "None")
    assert (job.label, job.nodes) == ("sweep|note", "n[1-2]")


@pytest.mark.parametrize(
    ("ids", "tasks"),
    [
        ("7", [None]),
        ("7_4", [4]),
        ("7_[3-7%2]", [3, 4, 5, 6, 7]),
        ("7_[0]", [0]),
        ("7_[1,3,9-11%4]", [1, 3, 9, 10, 11]),
        ("7_[0-8:4]", [0, 4, 8]),
        ("7+1", [None]),
    ],
)
def test_arrays_are_read_task_by_task(ids: str, tasks: list[int | None]) -> None:
    told = queue(line(ids, "PENDING"))
    assert [(job.task.job_id, job.task.task) for job in told.jobs] == [(7, task) for task in tasks]
    assert told.complete


def test_a_list_of_tasks_that_squeue_cut_off_is_not_complete() -> None:
    told = queue(line("7_[1,3,5,...%2]", "PENDING"))
    assert [job.task.task for job in told.jobs] == [1, 3, 5]
    assert not told.garbled
    assert not told.complete


@pytest.mark.parametrize(
    "ids", ["", "x", "7_", "7_[]", "7_[a]", "7_[5-3]", f"7_[0-{10**12}]", "7_[0-9:0]", "7_[1", "-7"]
)
def test_what_is_no_job_number_is_garbled(ids: str) -> None:
    told = queue(line() + line(ids))
    assert (len(told.jobs), len(told.garbled)) == (1, 1)


def test_the_largest_array_is_read() -> None:
    assert read_job_ids(f"1_[0-{MOST_TASKS - 1}]") is not None
    assert read_job_ids(f"1_[0-{MOST_TASKS}]") is None


@pytest.mark.parametrize(
    "label",
    [
        "a|b|c|d|",
        "|",
        "'quoted' \"name\" $(rm -rf) `x`|",
        "größe 图 🙂|ünï",
        " spaces  |\ttab",
        "7|RUNNING|0|None|n1|x|y",
        "%2]_[3-7|",
    ],
)
def test_odd_names_and_comments_harm_nothing(label: str) -> None:
    told = queue(line(label=label) + line("8"))
    assert [job.task.job_id for job in told.jobs] == [7, 8]
    assert told.jobs[0].label == label
    assert told.complete
    recorded = accounts(record(label=label))
    assert recorded.jobs[0].label == label


def test_bytes_that_are_no_utf_8_are_kept_readable() -> None:
    told = queue(line().encode().replace(b"note", b"\xff\xfe"))
    assert told.jobs[0].label == "sweep|\ufffd\ufffd"


@pytest.mark.parametrize(
    "garbage",
    ["nonsense\n", "7|RUNNING\n", "|||||||\n", "7|RUNNING|yesterday|None|n1|a|b\n", "\x00\x01|\n"],
)
def test_garbled_lines_are_counted_and_the_rest_is_read(garbage: str) -> None:
    told = queue(line("6") + garbage + line("8"))
    assert [job.task.job_id for job in told.jobs] == [6, 8]
    assert told.garbled == (garbage.rstrip("\n"),)
    assert not told.complete


def test_an_answer_that_was_cut_off_is_not_complete() -> None:
    told = queue(line("6") + line("8").rstrip("\n"))
    assert [job.task.job_id for job in told.jobs] == [6]
    assert len(told.garbled) == 1
    assert not told.complete


def test_a_line_break_in_a_name_is_put_together_again() -> None:
    told = queue(line("6") + line(label="two\nlines\nand more|x") + line("8"))
    assert [job.task.job_id for job in told.jobs] == [6, 7, 8]
    assert told.jobs[1].label == "two\nlines\nand more|x"
    assert told.complete
    recorded = accounts(record("7", label="two\nlines|") + record("7.batch"))
    assert len(recorded.jobs[0].steps) == 1
    assert recorded.complete


def test_a_line_break_in_a_comment_leaves_a_rest_that_is_counted() -> None:
    told = queue(line("6") + line(label="x|two\nlines") + line("8"))
    assert [job.task.job_id for job in told.jobs] == [6, 7, 8]
    assert told.garbled == ("lines",)
    assert not told.complete


def test_a_parted_line_does_not_swallow_the_next_job() -> None:
    told = queue(line("6", label="cut") + line("8"))
    assert [job.task.job_id for job in told.jobs] == [8]
    assert len(told.garbled) == 1


def test_no_jobs_is_an_answer() -> None:
    assert queue("") == Told(jobs=(), garbled=(), complete=True)
    assert accounts("\n") == Told(jobs=(), garbled=(), complete=True)


def test_only_garbage_is_no_answer() -> None:
    answer = read_squeue(said("<html>\n<body>\n"), UTC)
    assert isinstance(answer, Unanswered)
    assert answer.silence is Silence.GARBLED
    assert "2 lines" in answer.reason


def test_an_error_beside_an_answer_makes_it_incomplete() -> None:
    told = accounts(record(), "sacct: error: slurmdbd: one request failed\n")
    assert len(told.jobs) == 1
    assert not told.complete


@pytest.mark.parametrize(
    ("stderr", "code", "silence"),
    [
        (
            "slurm_load_jobs error: Unable to contact slurm controller (connect failure)",
            1,
            Silence.UNREACHABLE,
        ),
        (
            "slurm_load_jobs error: Socket timed out on send/recv operation",
            1,
            Silence.UNREACHABLE,
        ),
        ("slurm_load_jobs error: Zero Bytes were transmitted or received", 1, Silence.UNREACHABLE),
        (
            "sacct: error: slurm_persist_conn_open_without_init: failed to open persistent "
            "connection to host:127.0.0.1:16890: Connection refused\n"
            "sacct: error: Sending PersistInit msg: Connection refused\n"
            "sacct: error: Problem talking to the database: Connection refused",
            1,
            Silence.UNREACHABLE,
        ),
        ("Slurm accounting storage is disabled", 1, Silence.DISABLED),
        ("SLURM accounting storage is disabled", 0, Silence.DISABLED),
        ("bash: squeue: command not found", 127, Silence.FAILED),
        ("squeue: error: Invalid user: nobody2", 1, Silence.FAILED),
        ("", None, Silence.TIMED_OUT),
        ("", 1, Silence.FAILED),
    ],
)
def test_no_answer_has_a_reason(stderr: str, code: int | None, silence: Silence) -> None:
    for read in (read_squeue, read_sacct):
        answer = read(said("", stderr, code), UTC)
        assert isinstance(answer, Unanswered)
        assert answer.silence is silence
        assert answer.reason
        if stderr and code:
            assert stderr.splitlines()[-1] in answer.reason


def test_what_a_failed_command_printed_before_is_not_believed() -> None:
    assert isinstance(read_squeue(said(line(), "error", 1), UTC), Unanswered)
    assert isinstance(read_squeue(said(line(), "", None), UTC), Unanswered)


def test_a_record_of_the_accounts() -> None:
    (job,) = accounts(record("7_3", "FAILED", "1:0")).jobs
    assert job.task == JobTask(job_id=7, task=3)
    assert (job.word, job.code, job.signal) == ("FAILED", 1, None)
    assert (job.seconds, job.limit_seconds, job.submitted) == (61.0, 300.0, NOON)
    (killed,) = accounts(record(word="FAILED", ending="0:9")).jobs
    assert (killed.code, killed.signal) == (0, 9)


def test_steps_go_to_the_job_above_them() -> None:
    told = accounts(
        record("7_3", "COMPLETED")
        + record("7_3.batch", "COMPLETED")
        + record("7_3.extern", "COMPLETED")
        + record("7_3.0", "OUT_OF_MEMORY", "0:125")
        + record("8", "RUNNING")
        + record("8.batch", "RUNNING")
    )
    assert [len(job.steps) for job in told.jobs] == [3, 1]
    step = told.jobs[0].steps[2]
    assert (step.name, step.word, step.signal) == ("0", "OUT_OF_MEMORY", 125)


def test_a_number_given_out_again_keeps_its_steps_apart() -> None:
    told = accounts(
        record("7", "NODE_FAIL")
        + record("7.batch", "CANCELLED")
        + record("7", "COMPLETED")
        + record("7.batch", "COMPLETED")
    )
    assert [(j.word, [s.word for s in j.steps]) for j in told.jobs] == [
        ("NODE_FAIL", ["CANCELLED"]),
        ("COMPLETED", ["COMPLETED"]),
    ]


def test_a_step_without_its_job_is_garbled() -> None:
    told = accounts(record("7") + record("9.batch"))
    assert len(told.garbled) == 1
    assert not told.jobs[0].steps


@pytest.mark.parametrize(
    ("written", "time"),
    [
        (str(SECONDS), NOON),
        ("2026-03-01T14:00:00", NOON),
        ("Unknown", None),
        ("None", None),
        ("N/A", None),
        ("", None),
    ],
)
def test_times(written: str, time: datetime | None) -> None:
    zone = timezone(timedelta(hours=2))
    text = f"7|PENDING|{written}|Priority||name|\n"
    answer = read_squeue(said(text), zone)
    assert isinstance(answer, Told)
    assert answer.jobs[0].submitted == time


@pytest.mark.parametrize("limit", ["", "UNLIMITED", "Partition_Limit"])
def test_no_time_limit(limit: str) -> None:
    (job,) = accounts(f"7|RUNNING|0:0|{SECONDS}|61|{limit}|n1|a|\n").jobs
    assert job.limit_seconds is None


@pytest.mark.parametrize(
    ("text", "name"), [("7.0", "0"), ("7_2.batch", "batch"), ("7+0.extern", "extern"), ("7", None)]
)
def test_step_numbers(text: str, name: str | None) -> None:
    step = read_step_id(text)
    assert (step.name if step else None) == name


def test_ten_thousand_jobs_are_read() -> None:
    assert len(queue("".join(line(f"{n}_{n}") for n in range(10_000))).jobs) == 10_000
    assert len(queue(line("7_[0-9999%50]", "PENDING")).jobs) == 10_000


@given(st.binary(max_size=400), st.binary(max_size=60), st.sampled_from([0, 1, None]))
def test_nothing_that_a_command_prints_is_a_crash(
    stdout: bytes, stderr: bytes, code: int | None
) -> None:
    for read in (read_squeue, read_sacct):
        answer = read(CommandOutput(stdout=stdout, stderr=stderr, code=code), UTC)
        assert isinstance(answer, Told | Unanswered)


@given(st.text(alphabet="0123456789_[]-,%:.+|RUNING\n ", max_size=200))
def test_nothing_that_looks_like_an_answer_is_a_crash(text: str) -> None:
    for read in (read_squeue, read_sacct):
        assert read(said(text), UTC)
