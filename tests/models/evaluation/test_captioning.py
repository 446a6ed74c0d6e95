"""The family of captions: rows, scores in [0, 1] and what a random caption scores."""

from collections.abc import Sequence

import pytest

from models.evaluation.captioning import Captioning
from models.evaluation.question import Question, Row
from orchestrator.errors import DataError

CAPTIONS = (
    ["A dog runs on the grass.", "A brown dog is running outside."],
    ["Two cats sleep on a bed.", "A pair of cats asleep."],
    ["A red bus in a street.", "The bus drives down the road."],
)


def asked(captions: object, **more: object) -> Question:
    row = {"img_path": "a.jpg", "captions": captions, **more}
    return Captioning().question("7", Row(row, "index.json: 7"))


QUESTIONS = [asked(captions) for captions in CAPTIONS]
FAMILY = Captioning().of_index(QUESTIONS)


def extra(predictions: Sequence[str]) -> dict[str, float | None]:
    found = FAMILY.extra(QUESTIONS, predictions, [{}] * len(predictions))
    return {score.metric: score.value for score in found}


def test_a_caption_is_asked_for_in_the_published_words() -> None:
    assert QUESTIONS[0].text == "Provide a short image description."
    assert QUESTIONS[0].answer == "A dog runs on the grass."
    assert asked(["a dog"], domain="near-domain").group == "near-domain"
    assert Captioning().options(QUESTIONS) == ()


def test_a_score_is_a_tenth_of_cider() -> None:
    # As in test_cider.py: two of four n-gram lengths match fully.
    questions = [asked(["A dog!"]), asked(["a cat"])]
    family = Captioning().of_index(questions)
    assert family.score("a DOG", questions[0]) == pytest.approx(0.5)
    assert family.score("a dog", questions[1]) == 0
    assert family.score("", questions[1]) == 0


def test_more_alike_captions_score_more_and_all_within_bounds() -> None:
    predictions = ["two cats", "a dog", "a dog runs", "A dog runs on the grass!"]
    scores = [FAMILY.score(prediction, QUESTIONS[0]) for prediction in predictions]
    assert scores == sorted(scores)
    assert scores[0] == 0
    assert len(set(scores)) == 4
    assert all(0 <= score <= 1 for score in scores)


def test_a_random_guess_is_the_caption_of_another_image() -> None:
    guesses = [captions[0] for captions in (*CAPTIONS[1:], CAPTIONS[0])]
    expected = [FAMILY.score(*pair) for pair in zip(guesses, QUESTIONS, strict=True)]
    assert FAMILY.baselines(QUESTIONS) == expected
    assert all(score < 0.1 for score in expected)


def test_one_image_alone_is_refused_for_its_words_cannot_be_weighed() -> None:
    with pytest.raises(DataError) as caught:
        Captioning().of_index(QUESTIONS[:1])
    assert "a.jpg" in caught.value.where


def test_published_scales_are_told_beside() -> None:
    right = [captions[1] for captions in CAPTIONS]
    found = extra(right)
    single = [FAMILY.score(*pair) for pair in zip(right, QUESTIONS, strict=True)]
    assert found["cider_d"] == pytest.approx(10 * sum(single) / 3)
    assert [found[f"bleu_{n}"] for n in (1, 2, 3, 4)] == [1, 1, 1, 1]
    scores = FAMILY.extra(QUESTIONS, right, [{}] * 3)
    assert all(score.stderr is not None for score in scores)
    nothing = extra(["", "", ""])
    assert set(nothing.values()) == {0}


@pytest.mark.parametrize("captions", [None, "a dog", [], [""], ["a dog", "..."], [3]])
def test_a_row_without_captions_is_refused_with_its_place(captions: object) -> None:
    with pytest.raises(DataError) as caught:
        asked(captions)
    assert caught.value.where == "index.json: 7"
    assert "captions" in caught.value.mend
