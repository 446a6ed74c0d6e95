"""Benchmarks: published row formats, right answers, balanced, unambiguous."""

from collections import Counter
from collections.abc import Callable
from itertools import islice
from random import Random

import numpy as np
import pytest

from models.data.shapeworld.benchmarks import BENCHMARKS, BenchmarkImage, Row
from models.data.shapeworld.render import render
from models.data.shapeworld.scene import Scene, Split, Thing, draw_scenes

SCENES = list(islice(draw_scenes(Random(0), Split.TEST), 50))
IMAGES = [
    BenchmarkImage(f"images/{n}.png", scene, render(scene, 48, Random(n), np.random.default_rng(n)))
    for n, scene in enumerate(SCENES)
]
BY_PATH = {image.path: image for image in IMAGES}
QUESTIONS = 300
ROWS = {
    name: benchmark.rows(IMAGES, QUESTIONS, Random(name)) for name, benchmark in BENCHMARKS.items()
}


def scene_of(row: Row) -> Scene:
    return BY_PATH[str(row["img_path"])].scene


@pytest.mark.parametrize(
    ("name", "family", "keys"),
    [
        (
            "shapeworld_vqa",
            "vqa-v2",
            "question_id question img_path answer question_type answer_type all_answers",
        ),
        (
            "shapeworld_pope",
            "pope",
            "question_id question img_path answer split split_question_id",
        ),
        (
            "shapeworld_refcoco",
            "refcoco",
            "example_id ref_expression img_path bbox refer_dataset split ref_id sent_id",
        ),
        ("shapeworld_count", "tally-qa", "question_id question img_path answer split"),
    ],
)
def test_rows_have_the_keys_of_their_published_format(name: str, family: str, keys: str) -> None:
    assert BENCHMARKS[name].family == family
    assert len(ROWS[name]) == QUESTIONS
    assert {tuple(row) for row in ROWS[name]} == {tuple(keys.split())}
    ids = [row[keys.split()[0]] for row in ROWS[name]]
    assert ids == list(range(QUESTIONS))


@pytest.mark.parametrize("name", ["shapeworld_vqa", "shapeworld_pope", "shapeworld_count"])
def test_answers_are_right(name: str, right_answer: Callable[[Scene, str], str]) -> None:
    for row in ROWS[name]:
        assert right_answer(scene_of(row), str(row["question"])) == str(row["answer"])


def test_vqa_asks_no_image_twice_the_same_and_mixes_kinds() -> None:
    rows = ROWS["shapeworld_vqa"]
    assert len({(row["img_path"], row["question"]) for row in rows}) == QUESTIONS
    kinds = Counter(row["question_type"] for row in rows)
    assert set(kinds) == {"colour", "shape", "where", "count"}  # the open ones; POPE asks yes or no
    assert min(kinds.values()) > QUESTIONS / 8
    assert all(row["all_answers"] == [row["answer"]] * 10 for row in rows)
    types = {str(row["answer"]): row["answer_type"] for row in rows}
    assert (types["0"], types["red"]) == ("number", "other")


def test_pope_has_three_splits_with_as_many_yes_as_no() -> None:
    counts = Counter((row["split"], row["answer"]) for row in ROWS["shapeworld_pope"])
    splits = ("random", "popular", "adversarial")
    assert counts == {(split, answer): 50 for split in splits for answer in ("yes", "no")}


def test_popes_absent_things_are_as_their_split_says() -> None:
    common = Counter(thing.name for scene in SCENES for thing in scene.things)
    mean_common: dict[object, float] = {}
    for split in ("random", "popular", "adversarial"):
        rows = [r for r in ROWS["shapeworld_pope"] if (r["split"], r["answer"]) == (split, "no")]
        names = [str(row["question"]).removeprefix("is there a ").rstrip("?") for row in rows]
        mean_common[split] = sum(common[name] for name in names) / len(names)
        if split == "adversarial":
            for row, name in zip(rows, names, strict=True):
                colour, shape = name.split(" ")
                things = scene_of(row).things
                assert any(thing.colour == colour or thing.shape == shape for thing in things)
    assert mean_common["popular"] > mean_common["random"] + 1


def test_refcoco_expressions_name_one_thing_and_give_its_box(
    named: Callable[[Scene, str], list[Thing]],
) -> None:
    for row in ROWS["shapeworld_refcoco"]:
        image = BY_PATH[str(row["img_path"])]
        (thing,) = named(image.scene, str(row["ref_expression"]))
        box = image.picture.boxes[image.scene.things.index(thing)]
        assert row["bbox"] == [round(value / 48, 2) for value in box]


def test_counting_has_simple_and_complex_questions() -> None:
    rows = ROWS["shapeworld_count"]
    assert Counter(row["split"] for row in rows) == {"simple": 150, "complex": 150}
    colours = ("red", "green", "blue", "yellow", "purple", "white")
    for row in rows:
        names_a_colour = any(colour in str(row["question"]) for colour in colours)
        assert names_a_colour == (row["split"] == "complex")
        assert isinstance(row["answer"], int)


def test_every_image_is_asked_about() -> None:
    for name, rows in ROWS.items():
        missing = set(BY_PATH) - {row["img_path"] for row in rows}
        # Of VQAv2's questions those that repeat one are left out: a poor scene may lose all of its.
        assert len(missing) <= (2 if name == "shapeworld_vqa" else 0)
