"""POPE: yes and no, and what is counted of them."""

import pytest

from models.evaluation.pope import Pope
from models.evaluation.question import Question, Row
from orchestrator.errors import DataError


def asked(answer: str) -> Question:
    row = {"question": "is there?", "img_path": "a.png", "answer": answer, "split": "random"}
    return Pope().question("1", Row(row, "here"))


def test_precision_recall_and_f1_are_those_of_yes() -> None:
    questions = [asked(answer) for answer in ("yes", "yes", "yes", "no", "no", "No")]
    given = ["yes", "yes", "no", "yes", "yes", "no"]
    found = {score.metric: score.value for score in Pope().extra(questions, given)}
    assert found == pytest.approx(
        {"precision": 2 / 4, "recall": 2 / 3, "f1": 4 / 7, "yes_rate": 4 / 6}
    )


def test_a_metric_without_a_case_is_absent_with_a_reason() -> None:
    scores = {score.metric: score for score in Pope().extra([asked("no")] * 3, ["no"] * 3)}
    for metric in ("precision", "recall", "f1"):
        assert scores[metric].value is None
        assert scores[metric].reason
    assert scores["yes_rate"].value == 0


def test_an_answer_other_than_yes_or_no_is_refused() -> None:
    with pytest.raises(DataError, match="yes or no"):
        asked("maybe")
