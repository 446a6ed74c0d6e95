"""VSR: true or false."""

import pytest

from models.evaluation.question import Row
from models.evaluation.vsr import Vsr
from orchestrator.errors import DataError


def row(true_false: object) -> Row:
    values = {"caption": "The {cat} is on the bed.", "img_path": "a.jpg", "true_false": true_false}
    return Row(values, "metadata.json: 3")


def test_a_statement_is_put_in_the_published_words() -> None:
    question = Vsr().question("3", row(true_false=True))
    assert question.text == (
        'Based on the image, is this statement "True" or "False"? The {cat} is on the bed.\n'
        'Respond with "True" or "False" directly.'
    )
    assert Vsr().options([question]) == ("True", "False")
    assert Vsr().baselines([question]) == [0.5]


@pytest.mark.parametrize(
    ("true_false", "prediction", "score"),
    [(True, "True", 1), (True, "False", 0), (False, "False", 1), (False, "True", 0)],
)
def test_the_likelier_word_is_right_or_wrong(
    true_false: object, prediction: str, score: float
) -> None:
    assert Vsr().score(prediction, Vsr().question("3", row(true_false))) == score


def test_what_always_true_would_score_and_how_statements_are_ranked_is_told() -> None:
    questions = [Vsr().question("3", row(truth)) for truth in (True, True, True, False)]
    chances = [{"True": share, "False": 1 - share} for share in (0.8, 0.4, 0.1, 0.2)]
    given = ["True", "False", "False", "False"]
    always, said, area, precision = Vsr().extra(questions, given, chances)
    assert (always.metric, always.value) == ("always_true_accuracy", 0.75)
    assert (said.metric, said.value) == ("true_rate", 0.25)
    assert (area.metric, area.value) == ("auroc", pytest.approx(2 / 3))
    # Thresholds 0.8, 0.4, 0.2 (wrong), 0.1: three right ones at places 1, 2 and 4.
    assert precision.value == pytest.approx((1 + 1 + 3 / 4) / 3)
    assert precision.baseline == 0.75


@pytest.mark.parametrize("value", [1, "True", None])
def test_a_label_that_is_no_truth_value_is_refused(value: object) -> None:
    with pytest.raises(DataError) as caught:
        Vsr().question("3", row(value))
    assert caught.value.where == "metadata.json: 3"
