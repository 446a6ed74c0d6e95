"""Names of runs do not move: over processes, versions of Python, and against a second encoder."""

import hashlib
import json
import os
import runpy
import subprocess
import sys
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, cast, get_args, get_type_hints

import pytest

from orchestrator.spec.identity import Namer, run_id
from orchestrator.spec.run import STAGES, RunConfig, Stage, stage_of
from orchestrator.store.study_plan import load_plan

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
GRID = HERE / "golden_configs.py"
PINNED = cast(
    dict[str, str], json.loads((HERE / "golden_run_ids.json").read_text(encoding="utf-8"))
)
GOLDEN = runpy.run_path(str(GRID))
CONFIGS = cast(dict[str, RunConfig], GOLDEN["CONFIGS"])
FUNCTIONS = cast(dict[str, tuple[RunConfig, str]], GOLDEN["FUNCTIONS"])
STUDIES = sorted((ROOT / "sweeps").glob("*.yaml"))


def restated(config: RunConfig, function: str | None = None) -> str:
    """Name a run by the rule in words, with none of the code that names runs.

    A dictionary of stage, version and config (and the function, if it is not the project's own),
    fields at their default left out, as JSON with sorted keys and no spaces; the first 12 digits
    of its SHA-256.
    """
    stage = next(stage for stage, kind in STAGES.items() if kind is type(config))
    named: dict[str, Any] = {"stage": stage.value, "version": 2, "config": plain(config)}
    if function is not None and function != f"models.stages:{stage.value}":
        named["function"] = function
    text = json.dumps(named, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def plain(value: Any) -> Any:
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, tuple):
        return [plain(item) for item in cast(tuple[Any, ...], value)]
    if not is_dataclass(value):
        return value
    hints = get_type_hints(type(value))
    written: dict[str, Any] = {}
    for field in fields(value):
        item = getattr(value, field.name)
        if field.default is MISSING or item != field.default:
            is_real = hints[field.name] in (float, float | None) and type(item) is int
            written[field.name] = float(item) if is_real else plain(item)
    return written


def enum_values(kind: Any) -> set[StrEnum]:
    """Return every value of every enum that a config can hold."""
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return set(kind)
    parts = list(get_type_hints(kind).values()) if is_dataclass(kind) else list(get_args(kind))
    return {value for part in parts for value in enum_values(part)}


def held(value: Any) -> set[StrEnum]:
    if isinstance(value, StrEnum):
        return {value}
    parts: list[Any] = []
    if is_dataclass(value):
        parts = [getattr(value, field.name) for field in fields(value)]
    if isinstance(value, tuple):
        parts = list(cast(tuple[Any, ...], value))
    return {found for part in parts for found in held(part)}


def test_run_ids_are_pinned() -> None:
    # Results on disk carry these names. If one must change, raise IDENTITY_VERSION and say so in
    # CHANGELOG.md under "Changes results".
    names = cast(Callable[[], dict[str, str]], GOLDEN["names"])
    assert names() == PINNED


def test_the_pinned_names_cover_every_kind_of_run_and_every_word() -> None:
    assert len(set(PINNED.values())) >= 50
    assert {stage_of(config) for config in CONFIGS.values()} == set(Stage)
    words = {word for config in CONFIGS.values() for word in held(config)}
    assert words == {word for kind in STAGES.values() for word in enum_values(kind)}


def named_by(python: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [python, "-B", str(GRID)],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("seed", ["0", "7"])
def test_another_process_gives_the_same_names(seed: str) -> None:
    # Another hash seed, so that an order taken from a set or from hash() would show.
    done = named_by(sys.executable, PYTHONHASHSEED=seed)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == PINNED


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_another_python_gives_the_same_names(version: str) -> None:
    # pyenv's launcher is told which version is meant; to any other Python this says nothing.
    try:
        done = named_by(f"python{version}", PYENV_VERSION=version)
    except FileNotFoundError:
        pytest.skip(f"there is no python{version} on this machine")
    if done.returncode != 0 and "orchestrator" not in done.stderr:
        pytest.skip(f"python{version} cannot be started: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == PINNED


@pytest.mark.parametrize("label", CONFIGS)
def test_the_rule_restated_gives_the_same_names(label: str) -> None:
    assert restated(CONFIGS[label]) == run_id(CONFIGS[label]) == PINNED[label]


@pytest.mark.parametrize("label", FUNCTIONS)
def test_the_rule_restated_gives_the_same_names_to_functions(label: str) -> None:
    assert restated(*FUNCTIONS[label]) == run_id(*FUNCTIONS[label]) == PINNED[label]


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_every_run_of_a_study_is_named_by_the_rule(path: Path, tmp_path: Path) -> None:
    plan = load_plan(path, results=tmp_path)
    shared = Namer({run.stage: run.function for run in plan.runs})  # writes shared parts once
    for run in plan.runs:
        assert restated(run.config, run.function) == run.run_id == shared.run_id(run.config)
