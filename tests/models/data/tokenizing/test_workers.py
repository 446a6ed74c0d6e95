"""Tasks are done in order by any number of processes; a lost process is an error, not a hang."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from models.data.tokenizing.workers import Workers
from orchestrator.errors import DataError

ROOT = Path(__file__).parents[4]
HEAVY = {"torch", "webdataset", "pandas", "scipy", "transformers"}
"""What takes seconds to import, or hundreds of MB."""


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_the_tasks_order_and_errors_are_passed_on(workers: int) -> None:
    with Workers(workers) as processes:
        assert list(processes.results(abs, [-3, 1, -2])) == [3, 1, 2]
        assert list(processes.results(abs, [])) == []
        results = processes.results(float, ["1", "none", "2"])
        assert next(results) == 1
        with pytest.raises(ValueError, match="none"):
            next(results)


def test_one_worker_is_this_process_and_two_are_not() -> None:
    with Workers(1) as here, Workers(2) as there:
        assert list(here.results(eval, ["__import__('os').getpid()"])) == [os.getpid()]
        assert os.getpid() not in list(there.results(eval, ["__import__('os').getpid()"] * 2))


def test_a_killed_worker_is_an_error_that_says_to_run_again() -> None:
    with Workers(2) as processes, pytest.raises(DataError, match="killed") as caught:
        list(processes.results(os._exit, [9, 9]))
    assert "run again" in caught.value.mend


def test_workers_load_nothing_heavy(
    tmp_path: Path, tokenizer_json: Path, jsonl: Callable[[Path, Sequence[object]], Path]
) -> None:
    inputs = [jsonl(tmp_path / f"{n}.jsonl", [{"text": "a b c d e"}] * 20) for n in range(4)]
    (tmp_path / "seen").mkdir()
    script = Path(__file__).with_name("watching.py")
    command = [sys.executable, script, tokenizer_json, tmp_path / "part", *inputs]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "SEEN": str(tmp_path / "seen")}
    subprocess.run(command, cwd=ROOT, env=env, check=True)
    seen = {path.name: json.loads(path.read_text()) for path in (tmp_path / "seen").iterdir()}
    assert {name.partition("-")[0] for name in seen} == {"encode", "write"}
    assert all("models.data.tokenizing.assemble" in modules for modules in seen.values())
    assert [name for name, modules in seen.items() if HEAVY & set(modules)] == []
