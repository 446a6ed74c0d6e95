"""Captions as words."""

import pytest

from models.evaluation.caption_words import caption_words, ngrams


@pytest.mark.parametrize(
    ("caption", "words"),
    [
        ("A man, riding a wave.", "a man riding a wave"),
        ("It's the dogs' ball; they don't mind!", "it 's the dogs ball they do n't mind"),
        ("the man\N{RIGHT SINGLE QUOTATION MARK}s T-shirt", "the man 's t-shirt"),
        ('A "STOP" sign (red) - at 3.5 or 1,000 m...', "a stop sign red at 3.5 or 1,000 m"),
        ("five o'clock", "five o'clock"),
        (
            "snow_board  under\nNa\N{LATIN SMALL LETTER I WITH DIAERESIS}ve",
            "snow board under naïve",
        ),
        (" .,-!? ", ""),
    ],
)
def test_case_and_punctuation_do_not_matter(caption: str, words: str) -> None:
    assert caption_words(caption) == tuple(words.split())


def test_ngrams_are_runs_of_words() -> None:
    assert ngrams(("a", "b", "c"), 2) == [("a", "b"), ("b", "c")]
    assert ngrams(("a", "b"), 3) == []
