"""The code that jobs run: a copy of this project's own files as they are when a study is submitted.

A queued job starts hours later; without a copy it would run whatever lies here then. Copies are
named by their content, so that launches of the same code share one.
"""

import hashlib
import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from orchestrator.store.files import write_json
from orchestrator.worker.code import MANIFEST, PROJECT, ask_git, version_of

PACKAGES = ("orchestrator", "models", "analysis", "slurm")
"""What jobs import from there."""

_HASH_CHARACTERS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A copy of the code."""

    folder: Path
    """Where it lies; what `PYTHONPATH` names."""
    untracked: tuple[str, ...]
    """Python files beside the tracked ones that are not in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeState:
    """Which code lies here."""

    version: str | None
    """Its commit, with `-dirty` if files differ; None outside git."""
    untracked: tuple[str, ...]
    """Python files beside the tracked ones that copies leave out."""


def code_state(project: Path) -> CodeState:
    """Return which code lies in a project's folder."""
    version = version_of(project)
    return CodeState(version=version, untracked=_untracked(project) if version else ())


def take_snapshot(store: Path, project: Path = PROJECT) -> Snapshot:
    """Copy the code, unless the same code was copied before.

    Tracked files are taken as they are in the working tree; files that git does not track are left
    out and named. Without git, all files of the packages are taken.

    Args:
        store: folder of copies; on a file system of all nodes.
        project: what is copied.
    """
    files = _tracked(project)
    untracked = () if files is None else _untracked(project)
    hashes = {name: _digest(project / name) for name in files or _all_files(project)}
    text = json.dumps(hashes, sort_keys=True).encode()
    folder = store / hashlib.sha256(text).hexdigest()[:_HASH_CHARACTERS]
    if not folder.exists():
        _copy(project, hashes, folder)
    return Snapshot(folder=folder, untracked=untracked)


def _copy(project: Path, hashes: dict[str, str], folder: Path) -> None:
    """Make the copy under another name; it has its own once it is whole."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        for name in hashes:
            (part / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(project / name, part / name)
        write_json(part / MANIFEST, {"code": version_of(project), "files": hashes})
        part.chmod(0o755)
        part.rename(folder)
    except OSError:
        if not folder.exists():  # else another launcher was quicker, with the same content
            raise
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _tracked(project: Path) -> tuple[str, ...] | None:
    """Return the tracked files that are there; None where git does not know the project."""
    listed = ask_git(project, "ls-files", "-z", "--", *PACKAGES)
    names = [name for name in (listed or "").split("\0") if name]
    return tuple(name for name in names if (project / name).is_file()) or None


def _untracked(project: Path) -> tuple[str, ...]:
    listed = ask_git(project, "ls-files", "-z", "--others", "--exclude-standard", "--", *PACKAGES)
    return tuple(name for name in (listed or "").split("\0") if name.endswith(".py"))


def _all_files(project: Path) -> tuple[str, ...]:
    found = (path for package in PACKAGES for path in sorted((project / package).rglob("*")))
    return tuple(
        str(path.relative_to(project)) for path in found if path.is_file() and path.suffix != ".pyc"
    )


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
