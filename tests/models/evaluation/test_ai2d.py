"""AI2D: lettered choices."""

import pytest

from models.evaluation.ai2d import Ai2d
from models.evaluation.question import Row
from orchestrator.errors import DataError

ROW: dict[str, object] = {
    "question_id": 0,
    "question": "What is A?",
    "img_path": "images/0.png",
    "answer_choices": ["ears", "nose", "mouth", "face"],
    "answer_label": 3,
    "split": "test",
}


def test_choices_are_lettered_in_the_published_words() -> None:
    question = Ai2d().question("0", Row(ROW, "here"))
    assert question.text == (
        "What is A?\nA. ears\nB. nose\nC. mouth\nD. face\n"
        "Answer with the option's letter from the given choices directly."
    )
    assert (question.answer, question.group) == ("D", "test")
    assert Ai2d().options([question]) == ("A", "B", "C", "D")
    assert Ai2d().baselines([question]) == [0.25]


@pytest.mark.parametrize(("label", "letter"), [(0, "A"), (1, "B"), (3, "D")])
def test_the_right_letter_scores(label: int, letter: str) -> None:
    question = Ai2d().question("0", Row({**ROW, "answer_label": label}, "here"))
    assert [Ai2d().score(given, question) for given in "ABCD"] == [
        float(given == letter) for given in "ABCD"
    ]


@pytest.mark.parametrize(
    "change",
    [
        {"answer_label": 4},
        {"answer_label": -1},
        {"answer_choices": ["a"]},
        {"answer_choices": ["a", "b", "c"]},  # the right one is the fourth
        {"answer_choices": ["a", "b", "c", "d", "e"]},
        {"answer_choices": "a"},
    ],
)
def test_another_shape_is_refused_with_its_place(change: dict[str, object]) -> None:
    with pytest.raises(DataError) as caught:
        Ai2d().question("0", Row({**ROW, **change}, "metadata.json: 0"))
    assert caught.value.where == "metadata.json: 0"
