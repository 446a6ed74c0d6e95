"""BLEU against values worked out by hand."""

import math

import numpy as np
import pytest

from models.evaluation.bleu import LONGEST, corpus_bleu
from models.evaluation.caption_words import Words


def words(text: str) -> Words:
    return tuple(text.split())


def bleu(*pairs: tuple[str, list[str]]) -> list[float]:
    found = corpus_bleu(
        [words(candidate) for candidate, _ in pairs],
        [[words(one) for one in references] for _, references in pairs],
    )
    return [one.value for one in found]


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
    assert [one.value for one in corpus_bleu([], [])] == [0, 0, 0, 0]


Pair = tuple[Words, list[Words]]


def drawn(n: int, rng: np.random.Generator, shorter: float = 0.0) -> list[Pair]:
    """Draw captions that repeat a reference but for some words, or for the last ones."""
    pairs: list[Pair] = []
    for _ in range(n):
        words = [str(one) for one in rng.integers(30, size=rng.integers(7, 14))]
        said = [one if rng.random() < 0.85 else "other" for one in words]
        kept = len(said) - int(rng.random() < shorter) * 3
        pairs.append((tuple(said[:kept]), [tuple(words), tuple(reversed(words))]))
    return pairs


def values(pairs: list[Pair]) -> list[float]:
    return [one.value for one in corpus_bleu(*zip(*pairs, strict=True))]


def errors(pairs: list[Pair]) -> list[float]:
    found = [one.stderr for one in corpus_bleu(*zip(*pairs, strict=True))]
    assert all(one is not None for one in found)
    return [one or 0.0 for one in found]


@pytest.mark.parametrize("shorter", [0.0, 0.6], ids=["long enough", "too short"])
def test_the_error_is_about_that_of_resampled_captions(shorter: float) -> None:
    rng = np.random.default_rng(0)
    pairs = drawn(80, rng, shorter)
    found = [values([pairs[i] for i in rng.integers(80, size=80)]) for _ in range(300)]
    assert errors(pairs) == pytest.approx(np.std(found, axis=0, ddof=1), rel=0.15)  # 300 resamples


@pytest.mark.parametrize("shorter", [0.0, 0.6], ids=["long enough", "too short"])
def test_intervals_of_two_errors_hold_the_true_value_as_often_as_they_should(
    shorter: float,
) -> None:
    rng = np.random.default_rng(1)
    truth = np.array(values(drawn(5_000, rng, shorter)))
    samples = [drawn(40, rng, shorter) for _ in range(300)]
    found = np.array([values(pairs) for pairs in samples])
    told = np.array([errors(pairs) for pairs in samples])
    held = (np.abs(found - truth) <= 1.96 * told).mean(0)
    # 95 % at best; 300 samples leave 1.3 % of uncertainty, and 40 captions some bias.
    assert np.all(held >= 0.90)
    assert np.all(held <= 0.98)


def test_one_caption_or_no_match_shows_no_error() -> None:
    caption = words("a dog on the grass")
    assert [one.stderr for one in corpus_bleu([caption], [[caption]])] == [None] * LONGEST
    nothing = corpus_bleu([words("a"), words("b")], [[words("a b")], [words("c d")]])
    assert [one.stderr is None for one in nothing] == [False, True, True, True]
