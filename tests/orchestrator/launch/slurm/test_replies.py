"""What sbatch answers is understood; what is not understood may have been accepted."""

import pytest

from orchestrator.launch.pace import Pace
from orchestrator.launch.slurm.answers import CommandOutput
from orchestrator.launch.slurm.hosts import host_names
from orchestrator.launch.slurm.replies import read_reply
from orchestrator.launch.slurm.scheduler import Reply

E = "sbatch: error: Batch job submission failed: "


@pytest.mark.parametrize(
    ("stdout", "stderr", "code", "reply"),
    [
        ("17\n", "", 0, Reply.ACCEPTED),
        ("17;cluster\n", "", 0, Reply.ACCEPTED),
        ("sbatch: welcome!\n17\n", "", 0, Reply.ACCEPTED),
        ("", E + "Job violates accounting/QOS policy (job submit limit, ...)", 1, Reply.FULL),
        ("", E + "AssocMaxSubmitJobLimit", 1, Reply.FULL),
        ("", E + "Job dependency problem", 1, Reply.GONE),
        ("", E + "Requested node configuration is not available", 1, Reply.REFUSED),
        ("", E + "Invalid account or account/partition combination specified", 1, Reply.REFUSED),
        ("", E + "Invalid partition name specified", 1, Reply.REFUSED),
        ("", E + "Socket timed out on send/recv operation", 1, Reply.UNCERTAIN),
        ("", "sbatch: error: Unable to contact slurm controller", 1, Reply.UNCERTAIN),
        ("", "", None, Reply.UNCERTAIN),
        ("garbage\n", "", 0, Reply.UNCERTAIN),
        ("", "", 0, Reply.UNCERTAIN),
    ],
)
def test_answers_of_sbatch(stdout: str, stderr: str, code: int | None, reply: Reply) -> None:
    found = read_reply(CommandOutput(stdout=stdout.encode(), stderr=stderr.encode(), code=code))
    assert found.reply is reply
    assert (found.number == 17) == (reply is Reply.ACCEPTED)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", ()),
        ("n1", ("n1",)),
        ("n[1-3,07],login", ("n1", "n2", "n3", "n07", "login")),
        ("gpu[08-10]-ib", ("gpu08-ib", "gpu09-ib", "gpu10-ib")),
        ("r[1-2]c[1-2]", ("r1c1", "r1c2", "r2c1", "r2c2")),
    ],
)
def test_abbreviated_names_of_nodes(text: str, names: tuple[str, ...]) -> None:
    assert host_names(text) == names


def test_no_minute_sees_more_submissions_than_allowed() -> None:
    now = 0.0
    times: list[float] = []

    def sleep(seconds: float) -> bool:
        nonlocal now
        now += seconds
        return False

    pace = Pace(10, lambda: now, sleep)
    for _ in range(35):
        assert pace.wait()
        times.append(now)
    for first in times:
        assert sum(first <= t < first + 60 for t in times) <= 10
    assert times[9] == 0


def test_a_pace_that_is_told_to_leave_lets_nothing_more_through() -> None:
    pace = Pace(1, lambda: 0.0, lambda _: True)
    assert pace.wait()
    assert not pace.wait()
