"""The file of single answers."""

from pathlib import Path

import pyarrow.parquet as pq  # pyright: ignore[reportMissingTypeStubs]  (it ships no types)

from models.evaluation.answers import Answer, count_problems, write_answers
from models.evaluation.problem import Problem

EMPTY, BOX = Problem.EMPTY_ANSWER, Problem.UNREADABLE_BOX


def answer(number: int, *problems: Problem) -> Answer:
    return Answer(
        benchmark="b",
        question_id=str(number),
        prediction=None if problems else "red",
        score=0.5,
        baseline=0.25,
        loglikelihood=None if problems else -1.5,
        probability=None if problems else 0.75,
        problems=problems,
    )


def test_the_same_answers_give_the_same_bytes(tmp_path: Path) -> None:
    answers = [answer(1), answer(2, Problem.MISSING_IMAGE, Problem.SHORT_ANSWER_LIST)]
    for name in ("one", "two"):
        write_answers(tmp_path / "a folder" / name, answers)
    assert (tmp_path / "a folder" / "one").read_bytes() == (
        tmp_path / "a folder" / "two"
    ).read_bytes()
    rows = pq.read_table(tmp_path / "a folder" / "one").to_pylist()
    assert rows[0]["prediction"] == "red"
    assert rows[0]["probability"] == 0.75
    assert rows[1] == {
        "benchmark": "b",
        "question_id": "2",
        "prediction": None,
        "score": 0.5,
        "baseline": 0.25,
        "loglikelihood": None,
        "probability": None,
        "problems": "missing_images short_answer_lists",
    }
    assert sorted(path.name for path in (tmp_path / "a folder").iterdir()) == ["one", "two"]


def test_problems_are_counted_over_all_answers() -> None:
    found = count_problems([answer(1), answer(2, EMPTY, BOX), answer(3, EMPTY)])
    assert found == {"empty_answers": 2, "unreadable_boxes": 1}
