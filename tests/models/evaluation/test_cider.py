"""CIDEr-D against values worked out by hand."""

import math

import pytest

from models.evaluation.caption_words import Words
from models.evaluation.cider import cider_of


def words(text: str) -> Words:
    return tuple(text.split())


def all_words(*texts: str) -> list[Words]:
    return [words(text) for text in texts]


TWO = cider_of([all_words("a dog"), all_words("a cat")])
ONE_WORD_OFF = math.exp(-1 / 72)


@pytest.mark.parametrize(
    ("candidate", "score"),
    [
        # "a" is said of every image and weighs nothing. One- and two-word n-grams match fully,
        # longer ones there are none: two of four.
        ("a dog", 10 * 2 / 4),
        ("dog", 10 * 1 / 4 * ONE_WORD_OFF),
        ("dog dog dog", 10 * 1 / 4 * 1 / 3 * ONE_WORD_OFF),  # clipped at one: 1 * 1 / (3 * 1)
        ("a cat", 0),
        ("a a", 0),
        ("", 0),
    ],
)
def test_a_caption_is_weighed_by_what_is_said_of_few_images(candidate: str, score: float) -> None:
    assert TWO.score(words(candidate), all_words("a dog")) == pytest.approx(score)


def test_rare_words_weigh_more_than_common_ones() -> None:
    three = cider_of([all_words("red dog"), all_words("red cat"), all_words("blue bird")])
    red, rare = math.log(3 / 2), math.log(3)
    norm = red**2 + rare**2
    references = all_words("red dog")
    # Two-word n-grams are not shared; "fish" is in no reference and weighs as if in one.
    assert three.score(words("red fish"), references) == pytest.approx(10 / 4 * red**2 / norm)
    assert three.score(words("fish dog"), references) == pytest.approx(
        10 / 4 * rare**2 / (math.sqrt(2) * rare * math.sqrt(norm))
    )


def test_references_weigh_alike_in_any_order() -> None:
    images = [all_words("a dog runs on grass", "the brown dog is running"), all_words("a cat")]
    cider = cider_of(images)
    candidate = words("a dog is running on grass")
    one, other = (cider.score(candidate, [reference]) for reference in images[0])
    assert one != other
    both = cider.score(candidate, images[0])
    assert both == pytest.approx((one + other) / 2)
    assert cider.score(candidate, images[0][::-1]) == pytest.approx(both)


def test_a_word_counts_once_for_an_image_however_often_it_is_said() -> None:
    assert cider_of([all_words("a dog dog", "dog"), all_words("cat")]).images[("dog",)] == 1


def test_the_reference_itself_scores_ten_and_nothing_scores_more() -> None:
    images = [all_words("a dog runs on the grass"), all_words("two cats sleep on a bed")]
    cider = cider_of(images)
    assert cider.score(images[0][0], images[0]) == pytest.approx(10)
    for candidate in ("a dog runs on the grass today", "dog runs on the grass", "a dog runs"):
        assert 0 < cider.score(words(candidate), images[0]) < 10
