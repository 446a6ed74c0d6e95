"""TextVQA: M4C's normalisation on both sides, with an OCR system's words or without."""

import pytest

from models.evaluation.question import Row
from models.evaluation.text_vqa import TextVqa, m4c_answer
from orchestrator.errors import DataError

PURE, OCR = TextVqa(shows_ocr=False), TextVqa(shows_ocr=True)
ASKED = "what brand is it?\nReference OCR token: dakota, DIGITAL"
TRIGGER = "\nAnswer the question using a single word or phrase."


def row(question: str, answers: list[str]) -> Row:
    return Row({"question": question, "img_path": "a.jpg", "answers": answers}, "here")


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("it's", "it 's"),
        ("1,000", "1000"),
        ("Mike's?", "mike 's"),
        ("The T-Shirt", "t shirt"),
        ("two", "2"),
        ("U.S.A.", "usa"),
        ("dont", "don't"),
    ],
)
def test_an_answer_is_normalised_as_m4c_does(text: str, normal: str) -> None:
    assert m4c_answer(text) == normal


@pytest.mark.parametrize(
    ("prediction", "answers", "score"),
    [
        ("two", ["Two"] * 10, 1.0),  # both sides become 2
        ("DAKOTA", ["dakota"] * 2 + ["dakota digital"] * 8, 0.6),
        ("1,000", ["1000"] * 1 + ["100"] * 9, 0.3),
        ("", ["dakota"] * 10, 0.0),
    ],
)
def test_both_sides_are_normalised(prediction: str, answers: list[str], score: float) -> None:
    assert PURE.score(prediction, PURE.question("1", row(ASKED, answers))) == pytest.approx(score)


def test_the_words_that_were_read_are_shown_or_cut_off() -> None:
    assert PURE.question("1", row(ASKED, ["x"])).text == "what brand is it?" + TRIGGER
    assert OCR.question("1", row(ASKED, ["x"])).text == ASKED + TRIGGER
    assert PURE.question("1", row("what?", ["x"])).text == "what?" + TRIGGER
    with pytest.raises(DataError) as caught:
        OCR.question("1", row("what?", ["x"]))
    assert caught.value.where == "here"


def test_few_annotators_are_counted_and_none_is_refused() -> None:
    question = PURE.question("1", row(ASKED, ["x", "y", "y"]))
    assert question.answer == "y"
    assert PURE.problems("x", question) == ("short_answer_lists",)
    assert PURE.score("y", question) == pytest.approx((1 / 3 + 1 / 3 + 2 / 3) / 3)
    with pytest.raises(DataError):
        PURE.question("1", row(ASKED, []))
