"""BLEU against values worked out by hand."""

import math

import pytest

from models.evaluation.bleu import corpus_bleu
from models.evaluation.caption_words import Words


def words(text: str) -> Words:
    return tuple(text.split())


def bleu(*pairs: tuple[str, list[str]]) -> list[float]:
    return corpus_bleu(
        [words(candidate) for candidate, _ in pairs],
        [[words(one) for one in references] for _, references in pairs],
    )


def test_a_repeated_word_counts_as_often_as_one_reference_has_it() -> None:
    # Papineni et al. 2002, section 2.1: a modified unigram precision of 2/7.
    given = bleu(("the " * 7, ["the cat is on the mat", "there is a cat on the mat"]))
    assert given == pytest.approx([2 / 7, 0, 0, 0])


def test_each_order_is_a_geometric_mean_of_pooled_precisions() -> None:
    given = bleu(
        ("a dog runs on the grass", ["a dog runs on grass today"]),
        ("a red ball", ["one red ball"]),
    )
    # n-grams found: 5 + 2 of 6 + 3, 3 + 1 of 5 + 2, 2 + 0 of 4 + 1, 1 of 3; lengths are equal.
    precisions = [7 / 9, 4 / 7, 2 / 5, 1 / 3]
    expected = [math.prod(precisions[:n]) ** (1 / n) for n in (1, 2, 3, 4)]
    assert given == pytest.approx(expected)


@pytest.mark.parametrize(
    ("candidate", "references", "penalty"),
    [
        ("a b", ["a b c d"], math.exp(1 - 4 / 2)),
        ("a b", ["a b c", "a"], 1),  # equally close: the shorter counts
        ("a b", ["a b c", "a b c d e"], math.exp(1 - 3 / 2)),
        ("a b c", ["a b c", "a b c d e f"], 1),
    ],
)
def test_brevity_is_measured_by_the_closest_reference(
    candidate: str, references: list[str], penalty: float
) -> None:
    assert bleu((candidate, references))[0] == pytest.approx(penalty)


def test_a_references_own_words_are_perfect_and_none_are_worthless() -> None:
    assert bleu(("a dog on the grass", ["a cat", "a dog on the grass"])) == [1, 1, 1, 1]
    assert bleu(("", ["a cat"])) == [0, 0, 0, 0]
    assert corpus_bleu([], []) == [0, 0, 0, 0]
