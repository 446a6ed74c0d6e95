"""Jobs run the code that was there when they were submitted."""

import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.launch.snapshot import take_snapshot
from orchestrator.worker.code import PROJECT, version_of


def git(project: Path, *arguments: str) -> None:
    subprocess.run(
        ["git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments],
        cwd=project,
        check=True,
        capture_output=True,
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of one module, under git."""
    package = tmp_path / "my project" / "models"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "answer.py").write_text("print('old')\n")
    git(package.parent, "init", "-q")
    git(package.parent, "add", ".")
    git(package.parent, "commit", "-qm", "x")
    return package.parent


def said(folder: Path, elsewhere: Path) -> str:
    """Run the module as a job does: from another folder, with the installed code behind it."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "models.answer"],
        cwd=elsewhere,
        env={"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_a_job_runs_the_old_code_after_the_source_has_changed(
    project: Path, tmp_path: Path
) -> None:
    snapshot = take_snapshot(tmp_path / "code", project)
    (project / "models" / "answer.py").write_text("print('new')\n")
    assert said(snapshot.folder, tmp_path) == "old"
    assert said(take_snapshot(tmp_path / "code", project).folder, tmp_path) == "new"


def test_the_same_code_is_copied_once(project: Path, tmp_path: Path) -> None:
    first = take_snapshot(tmp_path / "code", project)
    before = (first.folder / "models" / "answer.py").stat().st_ino
    assert take_snapshot(tmp_path / "code", project).folder == first.folder
    assert (first.folder / "models" / "answer.py").stat().st_ino == before
    assert len(list((tmp_path / "code").iterdir())) == 1


def test_changes_in_the_working_tree_are_in_it_and_untracked_files_are_named(
    project: Path, tmp_path: Path
) -> None:
    (project / "models" / "answer.py").write_text("print('edited')\n")
    (project / "models" / "scratch.py").write_text("")
    snapshot = take_snapshot(tmp_path / "code", project)
    assert said(snapshot.folder, tmp_path) == "edited"
    assert snapshot.untracked == ("models/scratch.py",)
    assert not (snapshot.folder / "models" / "scratch.py").exists()


def test_without_git_the_packages_are_copied_whole(tmp_path: Path) -> None:
    package = tmp_path / "installed" / "models"
    package.mkdir(parents=True)
    (package / "answer.py").write_text("print('installed')\n")
    snapshot = take_snapshot(tmp_path / "code", package.parent)
    assert (snapshot.folder / "models" / "answer.py").read_text() == "print('installed')\n"
    assert snapshot.untracked == ()


def test_the_worker_is_found_in_a_copy_of_this_project(tmp_path: Path) -> None:
    folder = take_snapshot(tmp_path / "code").folder
    script = "import orchestrator.worker.job as job; print(job.__file__)"
    done = subprocess.run(
        [sys.executable, "-P", "-c", script],
        cwd=PROJECT,
        env={"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(done.stdout.strip()).is_relative_to(folder)
    assert version_of(folder) == f"snapshot-{folder.name}"
