"""What families tell of their options' probabilities: overall, by group, or why not."""

import pytest

from models.evaluation.discrimination import binary_scores, class_scores
from models.evaluation.question import Question
from models.evaluation.ranking_error import auroc_error, average_precision_error


def asked(answer: str, group: str = "") -> Question:
    return Question(question_id="1", image="a.png", text="?", answer=answer, group=group)


def chances(*shares: float) -> dict[str, float]:
    return dict(zip(("yes", "no", "maybe"), shares, strict=False))


def test_groups_have_scores_of_their_own_beside_the_pooled_one() -> None:
    questions = [asked("yes", "a"), asked("no", "a"), asked("yes", "b"), asked("no", "b")]
    given = [chances(0.9, 0.1), chances(0.4, 0.6), chances(0.3, 0.7), chances(0.35, 0.65)]
    found = {score.metric: score for score in binary_scores(questions, given, "yes")}
    assert {name: score.value for name, score in found.items()} == pytest.approx(
        {
            "auroc": 2 / 4,
            "auroc_a": 1,
            "auroc_b": 0,
            "average_precision": 1 / 2 * 1 + 1 / 2 * 2 / 4,
            "average_precision_a": 1,
            "average_precision_b": 1 / 2,
        }
    )
    assert [found[name].n for name in ("auroc", "auroc_a", "auroc_b")] == [4, 2, 2]
    assert found["auroc"].baseline == 0.5
    assert found["average_precision"].baseline == 0.5


def test_a_question_that_could_not_be_asked_is_left_out_and_not_counted() -> None:
    questions = [asked("yes"), asked("no"), asked("no")]
    area, precision = binary_scores(questions, [chances(0.4, 0.6), chances(0.3, 0.7), {}], "yes")
    assert (area.value, area.n, precision.baseline) == (1, 2, 0.5)
    assert area.stderr is None  # one question of each kind


def test_scores_have_the_errors_of_their_own_questions() -> None:
    right = [0.9, 0.3, 0.8, 0.6, 0.7, 0.2, 0.5, 0.4]
    questions = [asked("yes" if i % 2 else "no", "ab"[i // 4]) for i in range(8)]
    given = [chances(one, 1 - one) for one in right]
    found = {score.metric: score.stderr for score in binary_scores(questions, given, "yes")}
    truths = [question.answer == "yes" for question in questions]
    assert found["auroc"] == auroc_error(right, truths)
    assert found["auroc_b"] == auroc_error(right[4:], truths[4:])
    assert found["average_precision_b"] == average_precision_error(right[4:], truths[4:])
    area, *_ = class_scores(questions, given)
    assert area.stderr == pytest.approx(found["auroc"])


@pytest.mark.parametrize(
    ("answers", "said"), [(["no", "no"], "no answer is"), (["yes"], "every answer is"), ([], "no ")]
)
def test_without_both_answers_the_scores_are_absent_with_a_reason(
    answers: list[str], said: str
) -> None:
    given = [chances(0.5, 0.5)] * len(answers)
    for score in binary_scores([asked(one) for one in answers], given, "yes"):
        assert score.value is None
        assert score.baseline is None
        assert score.reason
        assert score.reason.startswith(said)


def test_classes_are_those_of_the_answers() -> None:
    given = [chances(0.6, 0.3, 0.1), chances(0.2, 0.5, 0.3), chances(0.5, 0.4, 0.1)]
    area, precision = class_scores([asked("yes"), asked("yes"), asked("no")], given)
    assert area.value == pytest.approx((1 / 2 + 1 / 2) / 2)
    assert precision.value == pytest.approx((1 / 2 * 1 + 1 / 2 * 2 / 3 + 1 / 2) / 2)
    assert precision.baseline == 1 / 2
    absent = class_scores([asked("yes")] * 2, given[:2])
    assert [(score.value, score.n) for score in absent] == [(None, 2)] * 2
    assert all(score.reason for score in absent)
