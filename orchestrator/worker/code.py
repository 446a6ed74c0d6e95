"""Which code this is: a commit, or a launch's copy of one."""

import os
import subprocess
from functools import cache
from pathlib import Path

MANIFEST = "snapshot.json"
"""What marks a folder as a launch's copy of the code, which is named by its content."""

PROJECT = Path(__file__).resolve().parents[2]
"""The folder that this code is imported from."""

SECONDS = 30.0
"""How long git may take."""


@cache
def code_version() -> str | None:
    """Return the version of the code that runs (see `version_of`)."""
    return version_of(PROJECT)


def version_of(project: Path) -> str | None:
    """Return a folder's git commit, with `-dirty` if files differ; None outside git.

    A launch's copy is `snapshot-` and the hash of its content, whatever repository it lies in.
    """
    if (project / MANIFEST).is_file():
        return f"snapshot-{project.name}"
    said = ask_git(project, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")
    return (said or "").strip() or None


def ask_git(project: Path, *arguments: str) -> str | None:
    """Return what git prints about a folder; None if it fails, or is not there."""
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=project,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
