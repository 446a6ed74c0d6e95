"""Values of axes in words are those that people write."""

import pytest

from analysis.axis_words import axis_words, count_words


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("cooldown_point", 0.8, "from 80 %"),
        ("image_ratio", 0.01, "images 1 %"),
        ("epochs", 1.0, "1 epoch"),
        ("epochs", 0, "0 epochs"),
        ("learning_rate_rule", "equal_peak", "equal peak"),
        ("captions", "datacomp_dr/captions", "datacomp-dr"),
        ("text_tokens", 237_000_196_096, "trunk of 237B"),
        ("seed", 7, "seed 7"),
        ("instructions", float("nan"), "none"),
        ("stages.finetune.learning_rate.peak", 3e-4, "peak 0.0003"),
    ],
)
def test_an_axis_is_said_with_its_value(name: str, value: object, words: str) -> None:
    assert axis_words(name, value) == words


@pytest.mark.parametrize(("value", "words"), [(600, "600"), (79e6, "79M"), (1.44e9, "1.44B")])
def test_counts_are_written_short(value: float, words: str) -> None:
    assert count_words(value) == words
