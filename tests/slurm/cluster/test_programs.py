"""What is missing is named with the packages that bring it."""

from pathlib import Path

import pytest

from orchestrator.errors import LaunchError
from slurm.cluster import programs
from slurm.cluster.config import Accounting
from slurm.cluster.programs import check_programs, find_program, missing_programs


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that holds every program of this machine."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(programs, "_SYSTEM", ())
    return tmp_path


def install(machine: Path, *names: str) -> None:
    for name in names:
        (machine / name).touch(mode=0o755)


def test_a_bare_machine_is_told_the_packages_and_the_command(machine: Path) -> None:
    with pytest.raises(LaunchError) as caught:
        check_programs(Accounting.NONE)
    assert "slurmctld, slurmd, sbatch, sinfo, munged" in caught.value.what
    assert str(machine) in caught.value.where
    assert caught.value.mend.endswith("slurmctld slurmd slurm-client munge")


def test_a_machine_without_the_database_can_do_without_accounting(machine: Path) -> None:
    install(machine, "slurmctld", "slurmd", "sbatch", "sinfo", "munged", "sacctmgr")
    check_programs(Accounting.NONE)
    assert missing_programs(Accounting.NONE) == ()
    with pytest.raises(LaunchError) as caught:
        check_programs(Accounting.DATABASE)
    for package in ("slurmdbd", "mariadb-server", "slurm-wlm-mysql-plugin"):
        assert package in caught.value.mend
    assert "without" not in caught.value.what
    assert "leave out --accounting" in caught.value.mend


def test_a_program_that_may_not_be_executed_is_missing(machine: Path) -> None:
    install(machine, "slurmd")
    assert find_program("slurmd") == str(machine / "slurmd")
    (machine / "slurmd").chmod(0o644)
    with pytest.raises(LaunchError):
        find_program("slurmd")
