"""VizWiz: annotators as they are, back-ticks, and questions that cannot be answered."""

import pytest

from models.evaluation.question import Question, Row
from models.evaluation.rule import Rule
from models.evaluation.vizwiz import VizWiz, normal_answer
from orchestrator.errors import DataError

UNKNOWN: list[dict[str, float]] = [{}] * 4  # free answers have no probabilities


def row(answers: list[str], *, answerable: int = 1) -> dict[str, object]:
    nested = [[{"answer": answer, "answer_confidence": "yes"} for answer in answers]]
    return {
        "question_id": 0,
        "question": "What is this?",
        "img_path": "VizWiz_val_00000000.jpg",
        "answers": nested,
        "answerable": answerable,
    }


def read(answers: list[str], *, answerable: int = 1) -> Question:
    return VizWiz().question("0", Row(row(answers, answerable=answerable), "here"))


def test_a_question_may_be_answered_with_unanswerable() -> None:
    question = read(["grey"] * 6 + ["gray"] * 4)
    assert question.text == (
        "What is this?\n"
        "When the provided information is insufficient, respond with 'Unanswerable'.\n"
        "Answer the question using a single word or phrase."
    )
    assert (question.answer, question.group) == ("grey", "answerable")
    assert read(["unanswerable"] * 10, answerable=0).group == "unanswerable"


@pytest.mark.parametrize(
    ("prediction", "answers", "score"),
    [
        ("Grey.", ["grey"] * 10, 1.0),
        ("grey", ["Grey"] * 10, 0.0),  # the annotators' capitals stay
        ("two", ["two"] * 10, 0.0),  # the prediction becomes 2
        ("2", ["2"] * 2 + ["3"] * 8, 0.6),
        ("t-shirt", ["t-shirt"] * 10, 0.0),  # and so does their punctuation
        ("t-shirt", ["t shirt"] * 3 + ["shirt"] * 7, 0.9),
    ],
)
def test_annotators_are_taken_as_they_are(
    prediction: str, answers: list[str], score: float
) -> None:
    assert VizWiz().score(prediction, read(answers)) == pytest.approx(score)


@pytest.mark.parametrize(
    ("text", "vlm_evaluation", "official"),
    [
        ("dont", "don`t", "don\u2019t"),
        ("cant", "can't", "can't"),
        ("weve", "we've", "we've"),
        ("couldn'tve", "couldn`t`ve", "couldn\u2019t\u2019ve"),
        ("couldnt\u2019ve", "couldnt\u2019ve", "couldn\u2019t\u2019ve"),
        ("she'dve", "she'dve", "she'dve"),
        ("The two", "2", "2"),
    ],
)
def test_contractions_have_the_marks_that_a_script_gives_them(
    text: str, vlm_evaluation: str, official: str
) -> None:
    assert normal_answer(text, Rule.VLM_EVALUATION) == vlm_evaluation
    assert normal_answer(text, Rule.OFFICIAL) == official
    assert VizWiz().score(text, read([vlm_evaluation] * 10)) == 1
    assert VizWiz(Rule.OFFICIAL).score(text, read([official] * 10)) == 1


def test_saying_unanswerable_is_scored_by_average_precision_and_f1() -> None:
    questions = [
        read(["unanswerable"] * 10, answerable=0),
        read(["unanswerable"] * 10, answerable=0),
        read(["red"] * 10),
        read(["red"] * 10),
    ]
    said = ["Unanswerable.", "red", "unanswerable", "red"]
    average, f1 = VizWiz().extra(questions, said, UNKNOWN)
    # Precision 1/2, recall 1/2: 1/2 * 1/2 + (1 - 1/2) * 2/4; F1 = 2 * 1 / (2 + 2).
    assert (average.metric, average.value) == ("unanswerable_average_precision", 0.5)
    assert (f1.metric, f1.value) == ("unanswerable_f1", 0.5)
    never = VizWiz().extra(questions, ["red"] * 4, UNKNOWN)
    assert [score.value for score in never] == [0.5, 0.0]
    right = VizWiz().extra(questions, ["unanswerable"] * 2 + ["red"] * 2, UNKNOWN)
    assert [score.value for score in right] == [1.0, 1.0]


def test_without_unanswerable_questions_there_is_nothing_to_measure() -> None:
    scores = VizWiz().extra([read(["red"] * 10)], ["red"], UNKNOWN)
    assert [(score.value, score.n) for score in scores] == [(None, 1)] * 2
    assert all(score.reason for score in scores)


def test_few_annotators_are_counted() -> None:
    assert VizWiz().problems("red", read(["red"] * 9)) == ("short_answer_lists",)
    assert VizWiz().score("red", read(["red"] * 3)) == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    "change",
    [
        {"answers": []},
        {"answers": [["red"] * 10]},
        {"answers": "red"},
        {"answerable": 2},
        {"answerable": None},
    ],
)
def test_another_shape_is_refused_with_its_place(change: dict[str, object]) -> None:
    with pytest.raises(DataError) as caught:
        VizWiz().question("0", Row({**row(["red"]), **change}, "metadata.json: 0"))
    assert caught.value.where == "metadata.json: 0"
