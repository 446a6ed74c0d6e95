"""VQAv2's normalisation and soft accuracy, against the official script's behaviour."""

import pytest

from models.evaluation.contractions import CONTRACTIONS
from models.evaluation.question import Row
from models.evaluation.rule import Rule
from models.evaluation.vqa import (
    Vqa,
    normalise,
    official_accuracy,
    soft_accuracy,
    strip_punctuation,
)


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("T-shirt", "t shirt"),
        ("1,000", "1000"),
        ("U.S.A.", "usa"),
        ("3.5", "3.5"),
        ("two dogs", "2 dogs"),
        ("The dog.", "dog"),
        ("none", "0"),
        ("eleven", "eleven"),
        (" red\nball ", "red ball"),
        ("yes, it is", "yes it is"),  # the comma touches a space and is deleted
        ("black/white", "black white"),  # the slash does not and becomes one
        ("1,000/day", "1000day"),  # 1,000 makes every mark vanish
        ("dont", "don't"),
        ("couldn'tve", "couldn't've"),
        ("somebody'd", "somebodyd"),
        ("Im", "im"),  # the table's capitals never meet lower case
        ("", ""),
        ("." * 40, "." * 8),  # the official script removes 32 full stops at most
    ],
)
def test_a_prediction_is_normalised_as_the_official_script_does(text: str, normal: str) -> None:
    assert normalise(text) == normal


def test_the_contraction_table_has_the_entries_that_can_match() -> None:
    # 120 in vqaEval.py; four have capitals and two map to themselves.
    assert len(CONTRACTIONS) == 114
    assert CONTRACTIONS["twas"] == "'twas"
    assert CONTRACTIONS["y'alld've"] == "y'all'd've"
    assert CONTRACTIONS["ow's'at"] == "'ow's'at"


@pytest.mark.parametrize(
    ("matching", "accuracy"), [(0, 0.0), (1, 0.3), (2, 0.6), (3, 0.9), (4, 1.0), (10, 1.0)]
)
def test_soft_accuracy_leaves_each_annotator_out(matching: int, accuracy: float) -> None:
    answers = ["red"] * matching + ["blue"] * (10 - matching)
    assert soft_accuracy("Red", answers) == pytest.approx(accuracy)


def test_annotators_lose_their_punctuation_only() -> None:
    # So "two" is never matched: the prediction becomes "2" and the annotators' word stays.
    assert soft_accuracy("two", ["two"] * 10) == 0
    assert soft_accuracy("2", ["2"] * 10) == 1
    assert soft_accuracy("t-shirt", ["t-shirt"] * 10) == 1
    assert soft_accuracy("red", ["Red"] * 10) == 0
    assert strip_punctuation("A. b") == "A b"


def test_few_annotators_are_scored_by_the_same_rule_and_counted() -> None:
    row = {"question": "what?", "img_path": "a.png", "answer": "red", "all_answers": ["red"] * 3}
    question = Vqa().question("1", Row(row, "here"))
    assert Vqa().score("red", question) == pytest.approx(2 / 3)
    assert Vqa().problems("red", question) == ("short_answer_lists",)
    assert Vqa().problems(" ", question) == ("short_answer_lists", "empty_answers")
    assert soft_accuracy("red", []) == 0
    assert soft_accuracy("red", ["red"]) == 0  # there is no other annotator to agree


@pytest.mark.parametrize(
    ("prediction", "answers", "published", "official"),
    [
        ("two", ["two"] * 10, 0.0, 1.0),  # all agree: nothing is normalised
        ("Two", ["two"] * 10, 0.0, 0.0),
        ("Two", ["two"] * 9 + ["2"], 0.3, 1.0),  # they do not: all of it is
        ("The dog.", ["dog"] * 2 + ["a dog"] * 8, 0.6, 1.0),
        ("red", ["red\n"] * 10, 0.0, 1.0),
        ("blue", ["red"] * 10, 0.0, 0.0),
    ],
)
def test_the_official_script_normalises_both_sides_where_annotators_disagree(
    prediction: str, answers: list[str], published: float, official: float
) -> None:
    assert soft_accuracy(prediction, answers) == pytest.approx(published)
    assert official_accuracy(prediction, answers) == pytest.approx(official)
    row = {"question": "what?", "img_path": "a.png", "answer": "x", "all_answers": answers}
    question = Vqa().question("1", Row(row, "here"))
    assert Vqa().score(prediction, question) == pytest.approx(published)
    assert Vqa(Rule.OFFICIAL).score(prediction, question) == pytest.approx(official)
