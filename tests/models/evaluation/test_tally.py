"""TallyQA: counts to choose from."""

import pytest

from models.evaluation.question import Question, Row
from models.evaluation.tally import LetteredTally, Tally
from orchestrator.errors import DataError


def asked(answer: object) -> Question:
    row = {"question": "how many?", "img_path": "a.png", "answer": answer, "split": "simple"}
    return Tally().question("1", Row(row, "here"))


def test_the_options_go_up_to_the_largest_count_of_the_index() -> None:
    questions = [asked(0), asked("3"), asked(1)]
    assert Tally().options(questions) == ("0", "1", "2", "3")
    assert Tally().baselines(questions) == [0.25] * 3
    assert [Tally().score("3", question) for question in questions] == [0, 1, 0]


@pytest.mark.parametrize("answer", [-1, 1.5, "two", None, True])
def test_a_row_without_a_count_is_refused(answer: object) -> None:
    with pytest.raises(DataError, match="answer"):
        asked(answer)


def test_counts_can_be_asked_for_as_letters() -> None:
    row = {"question": "how many?", "img_path": "a.png", "answer": 3, "split": "simple"}
    question = LetteredTally().question("1", Row(row, "here"))
    lines = question.text.splitlines()
    assert lines[:2] == ["how many?", "A. 0"]
    assert lines[16:] == [
        "P. 15",
        "Answer with the option's letter from the given choices directly.",
    ]
    assert [LetteredTally().score(letter, question) for letter in "DAP"] == [1, 0, 0]
    assert LetteredTally().options([question])[-1] == "P"
    assert LetteredTally().baselines([question]) == [1 / 16]
    with pytest.raises(DataError):
        LetteredTally().question("1", Row({**row, "answer": 16}, "here"))
