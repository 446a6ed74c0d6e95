"""Questions have exactly one right answer: checked by an interpreter of the questions' words."""

from collections import Counter
from collections.abc import Callable
from itertools import islice
from random import Random

import pytest

from models.data.shapeworld.questions import (
    QuestionKind,
    ask,
    counting,
    describe_one,
    draw_question,
    draw_questions,
)
from models.data.shapeworld.scene import Scene, Split, Thing, draw_scenes

SCENES = list(islice(draw_scenes(Random(0), Split.INSTRUCTIONS), 400))


@pytest.mark.parametrize("kind", list(QuestionKind))
def test_answers_are_right_and_unambiguous(
    kind: QuestionKind, right_answer: Callable[[Scene, str], str]
) -> None:
    rng = Random(1)
    asked = [(scene, ask(scene, kind, rng)) for scene in SCENES]
    found = [(scene, question) for scene, question in asked if question is not None]
    assert len(found) > len(SCENES) / 2
    for scene, question in found:
        assert question.kind is kind
        assert right_answer(scene, question.text) == question.answer


@pytest.mark.parametrize("kind", [QuestionKind.EXISTS, QuestionKind.RELATION])
def test_yes_and_no_are_equally_likely(kind: QuestionKind) -> None:
    rng = Random(2)
    answers = [q.answer for scene in SCENES if (q := ask(scene, kind, rng)) is not None]
    share = answers.count("yes") / len(answers)
    assert abs(share - 0.5) < 4 * 0.5 / len(answers) ** 0.5  # 4 standard errors of a fair coin


@pytest.mark.parametrize("coloured", [False, True])
def test_no_count_is_the_answer_most_of_the_time(coloured: bool) -> None:
    rng = Random(3)
    counts = Counter(counting(scene, rng, coloured=coloured)[1] for scene in SCENES)
    assert max(counts.values()) < 0.5 * len(SCENES)
    assert set(counts) == {0, 1, 2, 3, 4} or coloured


def test_questions_about_one_image_differ_and_are_mixed() -> None:
    rng = Random(4)
    for scene in SCENES:
        questions = draw_questions(scene, 5, rng)
        assert 3 <= len({question.text for question in questions}) == len(questions) <= 5
        assert len({question.kind for question in questions}) >= 3


def test_every_scene_can_be_asked_about(right_answer: Callable[[Scene, str], str]) -> None:
    rng = Random(6)
    for scene in SCENES:
        question = draw_question(scene, rng)
        assert right_answer(scene, question.text) == question.answer


def test_an_expression_is_true_of_one_thing_alone(
    named: Callable[[Scene, str], list[Thing]],
) -> None:
    rng = Random(5)
    for scene in SCENES:
        expression, thing = describe_one(scene, rng)
        assert named(scene, expression) == [thing]
