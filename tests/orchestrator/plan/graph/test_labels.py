"""Axes in words: short, with their unit, and never another value than the one there is."""

import pytest

from orchestrator.plan.graph.labels import axis_words, usual_words, value_words
from orchestrator.plan.plan import Axis, AxisValue


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("cooldown_point", 0.8, "80%"),
        ("image_ratio", 0.1, "10%"),
        ("image_ratio", 0.125, "12.5%"),
        ("keep", 1, "100%"),
        ("text_tokens", 768_000, "768k"),
        ("text_tokens", 28_000_000_000, "28B"),
        ("text_tokens", 4_300_000_000_000, "4.3T"),
        ("seed", 365, "365"),
        ("learning_rate.peak", 3e-4, "0.0003"),
        ("shuffled", True, "True"),
        ("model", "79m", "79m"),
    ],
)
def test_a_value_is_said_with_its_unit(name: str, value: AxisValue, words: str) -> None:
    assert value_words(name, value) == words


def test_an_axis_is_said_with_its_values() -> None:
    assert axis_words("cooldown_point", [0.2, 0.4]) == "at 20%, 40%"
    assert axis_words("seed", [0, 1, 2]) == "seed 0, 1, 2"
    assert axis_words("model", ["79m"]) == "79m"


def test_of_many_values_the_first_and_the_last_are_said() -> None:
    assert axis_words("seed", list(range(40))) == "seed 0 … 39"


def test_what_is_usual_is_said_once_for_all() -> None:
    usual = [Axis(name="image_ratio", value=0.1), Axis(name="epochs", value=2)]
    assert usual_words(usual) == "unless a box says otherwise: images 10%, epochs 2"
    assert usual_words([]) == ""


def test_an_axis_without_words_is_called_by_the_end_of_its_place() -> None:
    assert axis_words("stages.finetune.learning_rate.peak", [0.5]) == "learning_rate.peak 0.5"
