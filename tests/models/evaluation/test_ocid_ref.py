"""OCID-Ref: a quarter of overlap is right, in three groups of clutter."""

import pytest

from models.evaluation.boxes import RefCoco
from models.evaluation.ocid_ref import OcidRef
from models.evaluation.question import Row
from orchestrator.errors import DataError

ROW: dict[str, object] = {
    "example_id": 5,
    "ref_expression": "the red mug",
    "img_path": "a.png",
    "bbox": [0.2, 0.2, 0.6, 0.6],
    "clutter_split": "Medium Clutter",
    "split": "val",
}


@pytest.mark.parametrize(
    ("prediction", "score"),
    [
        ("[0.20, 0.20, 0.60, 0.60]", 1),
        ("[0.2, 0.2, 0.6, 0.32]", 1),  # 0.3 of the box
        ("[0.2, 0.2, 0.6, 0.28]", 0),  # 0.2 of the box
        ("[0.4, 0.2, 0.8, 0.6]", 1),  # a third: 0.08 / (0.16 + 0.16 - 0.08)
        ("[0.5, 0.2, 0.9, 0.6]", 0),  # a seventh
        ("the red mug", 0),
        ("[0.6, 0.2, 0.2, 0.6]", 0),  # sides the wrong way round
    ],
)
def test_a_quarter_of_overlap_is_right(prediction: str, score: float) -> None:
    assert OcidRef().score(prediction, OcidRef().question("5", Row(ROW, "here"))) == score


def test_the_same_box_is_wrong_in_refcoco() -> None:
    question = RefCoco().question("5", Row(ROW, "here"))
    assert RefCoco().score("[0.4, 0.2, 0.8, 0.6]", question) == 0


def test_groups_are_named_by_their_clutter() -> None:
    assert OcidRef().question("5", Row(ROW, "here")).group == "medium"
    with pytest.raises(DataError) as caught:
        OcidRef().question("5", Row({**ROW, "clutter_split": "some"}, "metadata.json: 5"))
    assert caught.value.where == "metadata.json: 5"


def test_a_box_that_rounding_made_flat_is_counted_and_never_met() -> None:
    question = OcidRef().question("5", Row({**ROW, "bbox": [0.2, 0.2, 0.2, 0.6]}, "here"))
    assert OcidRef().problems("[0.2, 0.2, 0.6, 0.6]", question) == ("flat_boxes",)
    assert OcidRef().score("[0.2, 0.2, 0.6, 0.6]", question) == 0
    assert OcidRef().baselines([question]) == [0]


@pytest.mark.parametrize(
    "bbox", [[0.2, 0.2, 0.6], [0.6, 0.2, 0.2, 0.6], [0.2, 0.2, 0.6, 1.2], "[0, 0, 1, 1]", None]
)
def test_a_box_of_another_shape_is_refused_with_its_place(bbox: object) -> None:
    with pytest.raises(DataError) as caught:
        OcidRef().question("5", Row({**ROW, "bbox": bbox}, "metadata.json: 5"))
    assert caught.value.where == "metadata.json: 5"
