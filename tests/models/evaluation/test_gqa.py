"""GQA: the prediction alone is normalised, or nothing is, by the rule that is named."""

import pytest

from models.evaluation.gqa import Gqa, normalise
from models.evaluation.question import Row
from models.evaluation.rule import Rule

ROW = {"question": "What is this?", "img_path": "a.jpg", "answer": "t-shirt", "entailed": []}


@pytest.mark.parametrize(
    ("prediction", "normal"),
    [("Yes.", "yes"), ("t-shirt", "tshirt"), (" Red ", " red "), ("two", "two"), ("", "")],
)
def test_punctuation_and_capitals_go_and_spaces_stay(prediction: str, normal: str) -> None:
    assert normalise(prediction) == normal


@pytest.mark.parametrize(
    ("answer", "prediction", "published", "official"),
    [
        ("yes", "Yes.", 1, 0),
        ("yes", "yes", 1, 1),
        ("t-shirt", "t-shirt", 0, 1),  # the right answer keeps its hyphen
        ("red", "a red", 0, 0),
        ("red", "red ", 0, 0),  # nothing strips
        ("Red", "Red", 0, 1),
    ],
)
def test_an_answer_is_right_by_one_rule_and_wrong_by_another(
    answer: str, prediction: str, published: int, official: int
) -> None:
    question = Gqa().question("7", Row({**ROW, "answer": answer}, "here"))
    assert Gqa().score(prediction, question) == published
    assert Gqa(Rule.OFFICIAL).score(prediction, question) == official


def test_a_question_is_asked_for_a_word_or_phrase() -> None:
    question = Gqa().question("7", Row(ROW, "here"))
    assert question.text == "What is this?\nAnswer the question using a single word or phrase."
    assert Gqa().baselines([question]) == [0]
    assert Gqa().options([question]) == ()
    assert Gqa().problems(" ", question) == ("empty_answers",)
