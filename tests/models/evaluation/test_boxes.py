"""Boxes: what counts as one, how two overlap, and the guess in the middle."""

import pytest

from models.evaluation.boxes import Box, RefCoco, centre_box, overlap, parse_box
from models.evaluation.question import Row
from orchestrator.errors import DataError


def question(bbox: object, **more: object):
    row = {"ref_expression": "red circle", "img_path": "a.png", "bbox": bbox, **more}
    return RefCoco().question("7", Row(row, "index.json: 7"))


@pytest.mark.parametrize("text", ["[0.1, 0.2, 0.5, 0.6]", " [0.1,0.2,0.5,0.6]\n", "[.1,.2,.5,.6]"])
def test_a_python_list_of_four_shares_is_a_box(text: str) -> None:
    assert parse_box(text) == Box(0.1, 0.2, 0.5, 0.6)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "red",
        "[0.1, 0.2, 0.5]",
        "[0.1, 0.2, 0.5, 0.6, 0.7]",
        "(0.1, 0.2, 0.5, 0.6)",
        "[0.1, 0.2, 0.5, 0.6",
        "[0.5, 0.2, 0.1, 0.6]",
        "[0.1, 0.6, 0.5, 0.6]",
        "[0.5, 0.2, 0.5, 0.6]",
        "[0.1, 0.2, 0.5, 1.6]",
        "[-0.1, 0.2, 0.5, 0.6]",
        "[True, 0.2, 0.5, 0.6]",
        "['0.1', 0.2, 0.5, 0.6]",
        "[0.1, 0.2, 0.5, 0.6].sort()",
        "\0",
        "[" * 5000,
    ],
)
def test_anything_else_is_wrong_and_counted(text: str) -> None:
    assert parse_box(text) is None
    asked = question([0.1, 0.2, 0.5, 0.6])
    assert RefCoco().score(text, asked) == 0
    (problem,) = RefCoco().problems(text, asked)
    assert problem == ("unreadable_boxes" if text else "empty_answers")


@pytest.mark.parametrize(
    ("other", "share"),
    [
        (Box(0.0, 0.0, 0.4, 0.4), 1.0),
        (Box(0.2, 0.0, 0.6, 0.4), 1 / 3),
        (Box(0.0, 0.0, 0.4, 0.2), 0.5),
        (Box(0.4, 0.0, 0.8, 0.4), 0.0),  # they touch
        (Box(0.5, 0.5, 0.8, 0.8), 0.0),
        (Box(0.1, 0.1, 0.3, 0.3), 0.25),
    ],
)
def test_overlap_is_intersection_over_union(other: Box, share: float) -> None:
    box = Box(0.0, 0.0, 0.4, 0.4)
    assert overlap(box, other) == pytest.approx(share)
    assert overlap(other, box) == pytest.approx(share)


def test_half_an_overlap_is_enough() -> None:
    asked = question([0.0, 0.0, 0.5, 0.5])
    assert RefCoco().score("[0.0, 0.0, 0.5, 0.25]", asked) == 1
    assert RefCoco().score("[0.0, 0.0, 0.5, 0.24]", asked) == 0


def test_the_baseline_is_the_mean_box_in_the_middle() -> None:
    boxes = [[0.4, 0.4, 0.6, 0.6], [0.0, 0.0, 0.2, 0.2], [0.3, 0.4, 0.5, 0.6]]
    questions = [question(box) for box in boxes]
    middle = centre_box([parse_box(asked.answer) for asked in questions])
    assert middle.text() == "[0.40, 0.40, 0.60, 0.60]"
    assert RefCoco().baselines(questions) == [1.0, 0.0, 0.0]  # the third overlaps by a third


def test_the_middle_and_the_whole_image_are_guesses_that_need_no_model() -> None:
    boxes = [[0.1, 0.1, 0.9, 0.9], [0.1, 0.1, 0.9, 0.9], [0.0, 0.0, 0.2, 0.2]]
    guesses = RefCoco().constants([question(box) for box in boxes])
    assert guesses == {
        "majority_accuracy": "[0.10, 0.10, 0.90, 0.90]",
        "centre_box_accuracy": "[0.20, 0.20, 0.80, 0.80]",  # the mean side is 0.6
        "full_image_accuracy": "[0.00, 0.00, 1.00, 1.00]",
    }


@pytest.mark.parametrize("bbox", [None, [0.1, 0.2], [0.5, 0.2, 0.1, 0.6], "[0.1, 0.2, 0.5, 0.6]"])
def test_a_row_without_a_box_is_refused_with_its_place(bbox: object) -> None:
    with pytest.raises(DataError) as caught:
        question(bbox)
    assert caught.value.where == "index.json: 7"


def test_a_guess_from_thin_boxes_is_still_a_box_when_it_is_written() -> None:
    guess = centre_box([Box(0.3, 0.2, 0.304, 0.8)])
    assert parse_box(guess.text()) == Box(0.49, 0.2, 0.51, 0.8)


def test_the_mean_box_keeps_its_width_and_height_apart() -> None:
    assert centre_box([Box(0.0, 0.4, 0.8, 0.6)]).text() == "[0.10, 0.40, 0.90, 0.60]"
