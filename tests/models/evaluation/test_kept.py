"""An evaluation that was stopped goes on with the first benchmark that was not finished."""

import shutil
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from models.evaluation.answers import Answer
from models.evaluation.evaluate import ANSWERS, FINISHED, QUESTIONS, evaluate
from models.evaluation.kept import Kept
from models.evaluation.outcome import Outcome
from models.evaluation.problem import Problem
from models.evaluation.respondent import ALONE
from models.evaluation.scores import Score
from orchestrator.spec.suite import SuiteKind
from orchestrator.store.layout import RunFolder
from orchestrator.store.stage import Progress, StageResult, StoppedError

ContextOf = Callable[..., Any]
TEXT_BENCHMARKS = ("shapeworld_facts", "shapeworld_scenes", "shapeworld_sums")
SUITES = [{}, {"kind": SuiteKind.TEXT, "benchmarks": TEXT_BENCHMARKS}]
POSITIONS = 200
"""Of one batch: so few that each benchmark has many."""


@pytest.fixture
def run(context_of: ContextOf, tmp_path: Path) -> Callable[..., tuple[Any, StageResult | None]]:
    """Evaluate in a folder of this name, for so many steps if some are given."""

    def run(folder: str, steps: int | None = None, **more: Any) -> tuple[Any, StageResult | None]:
        context = context_of(**more)
        context.folder = RunFolder(tmp_path / folder)
        reports = context.reports

        def report(progress: Progress) -> None:
            reports.append(progress)
            if len(reports) == steps:
                context.stops_after = 0  # before the next batch

        context.report = report
        try:
            return context, evaluate(context, batch_positions=POSITIONS)
        except StoppedError:
            return context, None

    return run


def answers(context: Any) -> list[bytes]:
    artifacts = context.folder.artifacts
    return [(artifacts / name).read_bytes() for name in (ANSWERS, QUESTIONS)]


@pytest.mark.parametrize("more", SUITES, ids=["vision", "text"])
@pytest.mark.parametrize("steps", [1, 2])
def test_finished_benchmarks_are_not_asked_again(
    run: Callable[..., Any], steps: int, more: dict[str, Any]
) -> None:
    undisturbed, expected = run("undisturbed", **more)
    stopped, nothing = run("run", steps, **more)
    assert nothing is None
    assert [path.name for path in stopped.folder.artifacts.iterdir()] == [FINISHED]
    resumed, result = run("run", **more)
    assert result == expected
    assert answers(resumed) == answers(undisturbed)
    assert resumed.resumed_at == steps
    assert resumed.reports == undisturbed.reports[steps:]
    assert stopped.reports == undisturbed.reports[:steps]
    assert stopped.ticks + resumed.ticks == undisturbed.ticks + 1  # no batch was computed twice
    left = {path.name for path in resumed.folder.artifacts.iterdir()}
    assert left == {ANSWERS, QUESTIONS}


@pytest.mark.parametrize("damage", ["truncated", "changed", "empty", "another's", "missing"])
def test_a_damaged_outcome_is_asked_again(run: Callable[..., Any], damage: str) -> None:
    undisturbed, expected = run("undisturbed")
    stopped, _ = run("run", 2)
    folder = stopped.folder.artifacts / FINISHED
    first, second = folder / "0.json", folder / "1.json"
    content = first.read_text()
    if damage == "truncated":
        first.write_text(content[: len(content) // 2])
    elif damage == "changed":
        first.write_text(content.replace('"score": 0.0', '"score": 1.0', 1))
        assert first.read_text() != content
    elif damage == "empty":
        first.write_text("")
    elif damage == "another's":
        shutil.copy(second, first)
    else:
        first.unlink()
    resumed, result = run("run")
    assert result == expected
    assert answers(resumed) == answers(undisturbed)
    assert resumed.reports == undisturbed.reports


def test_an_outcome_comes_back_as_it_was(tmp_path: Path) -> None:
    answer = Answer(
        benchmark="b",
        question_id="1",
        prediction='a "quoted"\nline, caf\u00e9 \ud83d',  # half of a pair
        score=0.1 + 0.2,
        baseline=None,
        loglikelihood=-float("inf"),
        problems=(Problem.EMPTY_QUESTION, Problem.FLAT_BOX),
    )
    outcome = Outcome(
        benchmark="b",
        headline=Score(metric="accuracy", value=1 / 3, n=1, stderr=None, baseline=0.0),
        others=(Score(metric="x", value=None, n=0, reason="no question could be scored"),),
        answers=(answer,),
    )
    kept = Kept(tmp_path / "finished", ("b",), ranks=ALONE, holding=nullcontext)
    assert kept.read() == []
    kept.keep(0, outcome)
    assert kept.read() == [outcome]
    kept.clear()
    assert kept.read() == []
    assert not list(tmp_path.iterdir())
