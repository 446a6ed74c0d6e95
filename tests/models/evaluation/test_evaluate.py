"""The stage as a whole, on a made world and a model of random weights."""

import json
import shutil
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq  # pyright: ignore[reportMissingTypeStubs]  (it ships no types)
import pytest

from models.evaluation.evaluate import ANSWERS, QUESTIONS, evaluate
from models.evaluation.prompts import PROMPT_VERSION
from orchestrator.errors import ConfigError
from orchestrator.spec.suite import Images, SuiteKind
from orchestrator.store.asked import read_asked
from orchestrator.store.stage import Measure, StageResult, StoppedError

ContextOf = Callable[..., Any]
TEXT_BENCHMARKS = ("shapeworld_facts", "shapeworld_scenes", "shapeworld_sums")


def answers(context: Any) -> list[dict[str, Any]]:
    return pq.read_table(context.folder.artifacts / ANSWERS).to_pylist()


def measure(result: StageResult, benchmark: str, metric: str) -> Measure:
    (found,) = (m for m in result.measures if (m.benchmark, m.metric) == (benchmark, metric))
    return found


def test_every_question_is_answered_and_scored(context_of: ContextOf) -> None:
    context = context_of()
    result = evaluate(context)
    rows = answers(context)
    assert len(rows) == result.counts["questions"] == 96
    assert len({(row["benchmark"], row["question_id"]) for row in rows}) == 96
    assert all(0 <= row["score"] <= 1 and row["loglikelihood"] < 0 for row in rows)
    for benchmark in context.config.suite.benchmarks:
        metric = "iou_accuracy" if "refcoco" in benchmark else "accuracy"
        headline = measure(result, benchmark, metric)
        scores = [row["score"] for row in rows if row["benchmark"] == benchmark]
        assert headline.n == 24
        assert headline.value == pytest.approx(sum(scores) / 24)
        assert measure(result, benchmark, "answer_nats").value is not None
        assert measure(result, benchmark, "majority_accuracy").n == 24


def test_baselines_are_counted_from_the_real_options(context_of: ContextOf) -> None:
    result = evaluate(context_of())
    assert measure(result, "shapeworld_vqa", "accuracy").baseline == 0
    assert measure(result, "shapeworld_pope", "accuracy").baseline == 0.5
    largest = max(int(row["answer"]) for row in index(context_of(), "shapeworld_count").values())
    assert measure(result, "shapeworld_count", "accuracy").baseline == pytest.approx(
        1 / (largest + 1)
    )
    average, stable = (measure(result, "average", m) for m in ("score", "stable_score"))
    assert average.value is not None
    assert average.baseline is not None
    assert stable.value == pytest.approx(average.value - average.baseline)


def test_the_majority_answer_is_scored_as_any_other(context_of: ContextOf) -> None:
    result = evaluate(context_of())
    rows = [row["answer"] for row in index(context_of(), "shapeworld_count").values()]
    most = max(rows.count(answer) for answer in rows)
    assert measure(result, "shapeworld_count", "majority_accuracy").value == most / len(rows)
    assert measure(result, "shapeworld_pope", "majority_accuracy").value == 0.5


@pytest.mark.parametrize(
    ("kind", "benchmarks"),
    [(SuiteKind.VISION, ("shapeworld_vqa", "shapeworld_count")), (SuiteKind.TEXT, TEXT_BENCHMARKS)],
)
def test_an_evaluation_that_was_stopped_finds_the_same_bytes_next_time(
    context_of: ContextOf, kind: SuiteKind, benchmarks: tuple[str, ...]
) -> None:
    context = context_of(kind, benchmarks)
    context.stops_after = 2
    with pytest.raises(StoppedError):
        evaluate(context)
    assert not (context.folder.artifacts / ANSWERS).exists()
    context.stops_after = None
    first = evaluate(context)
    content = (context.folder.artifacts / ANSWERS).read_bytes()
    assert evaluate(context) == first
    assert (context.folder.artifacts / ANSWERS).read_bytes() == content


def test_progress_counts_up_to_all_questions(context_of: ContextOf) -> None:
    context = context_of()
    evaluate(context)
    last = context.reports[-1]
    assert (last.step, last.position) == (last.steps, 96)


def test_images_matter_only_where_they_are_shown(context_of: ContextOf) -> None:
    found = {}
    for mode in Images:
        context = context_of(benchmarks=("shapeworld_vqa",), images=mode)
        evaluate(context)
        found[mode] = [row["loglikelihood"] for row in answers(context)]
    assert found[Images.GIVEN] != found[Images.PERMUTED]
    context = context_of(benchmarks=("shapeworld_vqa",), images=Images.BLIND)
    evaluate(context)
    questions = index(context, "shapeworld_vqa")
    by_words: dict[tuple[str, str], set[float]] = {}
    for row, nats in zip(questions.values(), found[Images.BLIND], strict=True):
        by_words.setdefault((row["question"], row["answer"]), set()).add(round(nats, 4))
    assert all(len(values) == 1 for values in by_words.values())


def test_a_limit_asks_some_of_the_same_questions(context_of: ContextOf) -> None:
    context = context_of()
    evaluate(context)
    every = {(row["benchmark"], row["question_id"]): row["score"] for row in answers(context)}
    some = context_of(limit=5)
    assert evaluate(some).counts["questions"] == 20
    for row in answers(some):
        assert every[row["benchmark"], row["question_id"]] == row["score"]


def test_the_questions_that_were_asked_are_listed(context_of: ContextOf) -> None:
    context = context_of(limit=5)
    evaluate(context)
    asked = read_asked(context.folder.artifacts / QUESTIONS)
    assert asked.prompt_version == PROMPT_VERSION
    found = [(one.benchmark, name) for one in asked.benchmarks for name in one.question_ids]
    assert found == [(row["benchmark"], row["question_id"]) for row in answers(context)]
    assert [(one.n, one.versions) for one in asked.benchmarks] == [(5, ())] * 4


def test_a_text_suite_lists_the_versions_of_harness_and_tasks(context_of: ContextOf) -> None:
    context = context_of(SuiteKind.TEXT, ("shapeworld_facts",), limit=5)
    evaluate(context)
    (asked,) = read_asked(context.folder.artifacts / QUESTIONS).benchmarks
    harness, task = asked.versions
    assert harness == f"lm-eval {metadata.version('lm-eval')}"
    assert task.startswith("shapeworld_facts ")
    assert asked.n == 5


def test_a_missing_image_is_wrong_and_counted(context_of: ContextOf, tmp_path: Path) -> None:
    context = context_of(benchmarks=("shapeworld_count", "shapeworld_vqa"))
    copied(context, tmp_path)
    folder = context.data(context.config.suite.data)
    missing = next(iter(index(context, "shapeworld_count").values()))["img_path"]
    (folder / missing).unlink()
    result = evaluate(context)
    lost = [row for row in answers(context) if row["problems"] == "missing_images"]
    assert len(lost) == result.counts["missing_images"] > 0
    assert all(row["prediction"] is None and row["score"] == 0 for row in lost)
    counts = measure(result, "shapeworld_count", "accuracy")
    known = measure(result, "shapeworld_count", "answer_nats")
    assert counts.n == 24
    here = sum(row["benchmark"] == "shapeworld_count" for row in lost)
    assert known.n == 24 - here
    assert measure(result, "shapeworld_count", "auroc").n == 24 - here
    unasked = measure(result, "shapeworld_count", "unasked_rate")
    assert (unasked.value, unasked.n) == (here / 24, 24)
    whole = measure(evaluate(context_of()), "shapeworld_count", "unasked_rate")
    assert whole.value == 0


def test_a_question_that_does_not_fit_loses_its_beginning_and_is_counted(
    context_of: ContextOf, tmp_path: Path
) -> None:
    context = context_of(benchmarks=("shapeworld_count",))
    copied(context, tmp_path)
    rows = index(context, "shapeworld_count")
    next(iter(rows.values()))["question"] = "how many " * 100
    path = context.data(context.config.suite.data) / "shapeworld_count.json"
    path.write_text(json.dumps(rows))
    result = evaluate(context)
    assert result.counts["truncated_questions"] == 1
    assert result.counts["questions"] == 24


def test_a_model_of_text_alone_is_asked_blind_or_not_at_all(context_of: ContextOf) -> None:
    with pytest.raises(ConfigError) as caught:
        evaluate(context_of(vision=None))
    assert "blind" in caught.value.mend


def test_text_is_scored_through_the_harness(context_of: ContextOf) -> None:
    context = context_of(SuiteKind.TEXT, TEXT_BENCHMARKS, limit=6)
    result = evaluate(context)
    assert result.counts["questions"] == 18
    for benchmark in TEXT_BENCHMARKS:
        assert measure(result, benchmark, "acc").n == 6
    assert measure(result, "average", "stable_score").n == 18
    assert context.reports[-1].position == 18


def index(context: Any, benchmark: str) -> dict[str, dict[str, Any]]:
    folder = context.data(context.config.suite.data)
    return json.loads((folder / f"{benchmark}.json").read_text())


def copied(context: Any, tmp_path: Path) -> None:
    """Give a context its own copy of the world, to damage."""
    for name in ("shapeworld-world", "runs"):
        shutil.copytree(context.root / name, tmp_path / "own" / name)
    context.root = tmp_path / "own"
