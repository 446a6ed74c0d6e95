"""Processes are known by number and start time, found by mark and kin, and really ended."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from slurm.cluster.folder import ClusterFolder
from slurm.cluster.members import MARK, members, stray_daemons
from slurm.cluster.processes import Process, all_processes, end, is_alive, kill, look_at, spawn
from slurm.cluster.waiting import held_within


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """Start shell commands that are gone after the test."""
    ours: list[Process] = []

    def begin(command: str, **environment: str) -> Process:
        process = spawn(
            ("/bin/sh", "-c", command),
            cwd=tmp_path,
            log=tmp_path / "log",
            environment={"PATH": os.environ["PATH"], **environment},
        )
        ours.append(process)
        return process

    yield begin
    kill(tuple(ours))


def numbered(path: Path) -> Process:
    """The process whose number a shell wrote into a file."""
    assert held_within(lambda: path.exists() and path.read_text().endswith("\n"), 10)
    seen = look_at(int(path.read_text()))
    assert seen is not None
    return seen.process


def test_a_process_has_a_session_of_its_own_and_writes_to_its_log(
    started: Callable[..., Process], tmp_path: Path
) -> None:
    process = started("pwd; echo bad >&2; exec sleep 60")
    seen = look_at(process.pid)
    assert seen is not None
    assert seen.session == process.pid
    assert held_within(lambda: (tmp_path / "log").read_text() == f"{tmp_path}\nbad\n", 10)


def test_a_number_that_is_used_again_is_another_process(started: Callable[..., Process]) -> None:
    process = started("exec sleep 60")
    assert is_alive(process)
    assert not is_alive(replace(process, start_ticks=process.start_ticks + 1))


def test_an_ended_process_is_dead_and_leaves_no_zombie(started: Callable[..., Process]) -> None:
    process = started("exit 0")
    assert held_within(lambda: not is_alive(process), 10)
    assert not Path(f"/proc/{process.pid}").exists()


def test_another_programs_child_keeps_its_exit_code() -> None:
    child = subprocess.Popen([sys.executable, "-c", "raise SystemExit(7)"])
    time.sleep(0.3)  # it has ended by now, and is waiting to be reaped by its own Popen
    all_processes()
    assert child.wait() == 7


def test_a_process_that_ignores_term_is_killed(
    started: Callable[..., Process], tmp_path: Path
) -> None:
    process = started(f"trap '' TERM; echo $$ > {tmp_path}/ready; while :; do sleep 0.1; done")
    numbered(tmp_path / "ready")
    end((process,), seconds=0.3)
    assert not is_alive(process)


def test_members_are_the_marked_and_all_their_kin(
    started: Callable[..., Process], tmp_path: Path
) -> None:
    folder = ClusterFolder(path=tmp_path / "box")
    # A daemon; its child without any mark, in another session; and an orphan of that session.
    (tmp_path / "child.sh").write_text(
        "sh -c 'env -i /bin/sh orphan.sh &'; echo $$ > child; exec sleep 60"
    )
    (tmp_path / "orphan.sh").write_text("echo $$ > orphan; exec sleep 60")
    daemon = started("env -i setsid /bin/sh child.sh & exec sleep 60", **{MARK: str(folder.path)})
    expected = {daemon, numbered(tmp_path / "child"), numbered(tmp_path / "orphan")}
    assert members(folder) == expected
    kill(tuple(expected))
    assert not members(ClusterFolder(path=tmp_path / "other"))


def test_a_job_on_a_node_is_a_member_and_a_users_shell_is_not(
    started: Callable[..., Process], tmp_path: Path
) -> None:
    folder = ClusterFolder(path=tmp_path / "box")
    pointed = {"SLURM_CONF": str(folder.slurm_conf)}
    started("exec sleep 60", **pointed, SLURM_JOB_ID="7")  # a terminal with salloc in it
    job = started("exec sleep 60", **pointed, SLURM_JOB_ID="7", SLURMD_NODENAME="n1")
    started("exec sleep 60", SLURM_CONF="/elsewhere", SLURM_JOB_ID="7", SLURMD_NODENAME="n1")
    assert members(folder) == {job}


def test_whoever_asks_is_no_member_even_inside_a_job(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path\n"
        "from slurm.cluster.folder import ClusterFolder\n"
        "from slurm.cluster.members import members\n"
        f"print(len(members(ClusterFolder(path=Path({str(tmp_path)!r})))))"
    )
    environment = {**os.environ, MARK: str(tmp_path)}
    command = f'{sys.executable} -c "$CODE"; true'
    done = subprocess.run(
        ["sh", "-c", command],
        env={**environment, "CODE": code},
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "0\n"


def test_only_an_unrecorded_daemon_is_a_stray(tmp_path: Path) -> None:
    folder = ClusterFolder(path=tmp_path / "box")
    programs = tmp_path / "bin"
    programs.mkdir()
    sleep = Path("/bin/sleep").resolve().read_bytes()
    ours: list[Process] = []
    for name in ("slurmd-wlm", "slurmstepd", "munged"):
        (programs / name).write_bytes(sleep)
        (programs / name).chmod(0o755)
        ours.append(
            spawn(
                (str(programs / name), "60"),
                cwd=tmp_path,
                log=tmp_path / "log",
                environment={MARK: str(folder.path)},
            )
        )
    slurmd, _, munged = ours
    try:
        found = held_within(lambda: len(stray_daemons(folder, frozenset())) == 2, 10)
        assert found
        assert stray_daemons(folder, frozenset({munged})) == (slurmd,)
    finally:
        kill(tuple(ours))
