"""POPE: yes and no, and what is counted of them."""

import math

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
    chances = [{"yes": share, "no": 1 - share} for share in (0.9, 0.6, 0.4, 0.8, 0.7, 0.1)]
    scores = Pope().extra(questions, given, chances)
    found = {score.metric: score.value for score in scores}
    assert found == pytest.approx(
        {
            "precision": 2 / 4,
            "recall": 2 / 3,
            "f1": 4 / 7,
            "yes_rate": 4 / 6,
            "auroc": (3 + 1 + 1) / 9,
            "average_precision": (1 / 1 + 2 / 4 + 3 / 5) / 3,
        }
    )


def test_ratios_have_the_error_of_two_sums_over_questions() -> None:
    questions = [asked(answer) for answer in ("yes", "yes", "yes", "no", "no", "no")]
    given = ["yes", "yes", "no", "yes", "no", "no"]
    chances = [{"yes": 0.5, "no": 0.5}] * 6
    found = {score.metric: score for score in Pope().extra(questions, given, chances)}
    # Precision 2/3 of the three that were answered yes: residuals 1/3, 1/3, -2/3.
    assert found["precision"].stderr == pytest.approx(math.sqrt(6 / 5 * 6 / 9) / 3)
    # F1 is 4/6: residuals 2 - 2 * 2/3 twice, and -2/3 for the miss and the false alarm.
    assert found["f1"].stderr == pytest.approx(math.sqrt(6 / 5 * 4 * 4 / 9) / 6)
    assert all(score.stderr is not None for score in found.values())


def test_a_metric_without_a_case_is_absent_with_a_reason() -> None:
    unsure = [{"yes": 0.4, "no": 0.6}] * 3
    scores = {score.metric: score for score in Pope().extra([asked("no")] * 3, ["no"] * 3, unsure)}
    for metric in ("precision", "recall", "f1", "auroc", "average_precision"):
        assert scores[metric].value is None
        assert scores[metric].reason
    assert scores["yes_rate"].value == 0


def test_an_answer_other_than_yes_or_no_is_refused() -> None:
    with pytest.raises(DataError, match="yes or no"):
        asked("maybe")
