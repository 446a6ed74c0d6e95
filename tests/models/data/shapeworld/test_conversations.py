"""Instruction rows: as many questions as fit, each answered rightly."""

import ast
import re
from collections.abc import Callable
from itertools import islice
from random import Random

import numpy as np
import pytest

from models.data.prompt import REGION, answer_text, question_text
from models.data.shapeworld.conversations import Room, image_row, image_turns, text_rows
from models.data.shapeworld.facts import Facts
from models.data.shapeworld.render import render
from models.data.shapeworld.scene import Scene, Split, Thing, draw_scenes
from models.data.shapeworld.vocabulary import WordEncoder, build_tokenizer

ENCODE = WordEncoder(build_tokenizer())
SCENES = list(islice(draw_scenes(Random(0), Split.INSTRUCTIONS), 200))
PICTURES = [render(scene, 48, Random(0), np.random.default_rng(0)) for scene in SCENES]
REGION_PATTERN = re.escape(REGION).replace(re.escape("{expression}"), "(.*)")


def turns_of(positions: int, turns: int = 5) -> list[list[tuple[str, str]]]:
    rng, room = Random(1), Room(turns, positions, ENCODE)
    pairs = zip(SCENES, PICTURES, strict=True)
    return [image_turns(scene, picture, room, rng) for scene, picture in pairs]


def test_answers_are_right(
    right_answer: Callable[[Scene, str], str], named: Callable[[Scene, str], list[Thing]]
) -> None:
    boxes = 0
    for scene, picture, turns in zip(SCENES, PICTURES, turns_of(1000), strict=True):
        for question, answer in turns:
            expression = re.fullmatch(REGION_PATTERN, question)
            if expression is None:
                assert right_answer(scene, question) == answer
                continue
            boxes += 1
            (thing,) = named(scene, expression[1])
            box = picture.boxes[scene.things.index(thing)]
            assert ast.literal_eval(answer) == [round(value / 48, 2) for value in box]
    assert 30 < boxes < 90  # of 200, three in ten are expected; 5 standard errors


@pytest.mark.parametrize(("positions", "turns"), [(40, 5), (56, 5), (1000, 2), (1000, 5)])
def test_a_row_has_the_questions_that_fit_and_one_at_least(positions: int, turns: int) -> None:
    found = turns_of(positions, turns)
    for row in found:
        texts = [question_text(question) + answer_text(answer) for question, answer in row]
        assert sum(len(ENCODE(text)) + 1 for text in texts) <= positions
        assert 1 <= len(row) <= turns
    assert max(len(row) for row in found) > 1


def test_the_placeholder_stands_before_the_first_question() -> None:
    row = image_row("7", "images/7.png", [("what?", "a"), ("why?", "so.")])
    assert row == {
        "id": "7",
        "image": "images/7.png",
        "conversations": [
            {"from": "human", "value": "<image>\nwhat?"},
            {"from": "gpt", "value": "a"},
            {"from": "human", "value": "why?"},
            {"from": "gpt", "value": "so."},
        ],
    }


def test_rows_of_text_ask_for_facts_sums_and_described_scenes() -> None:
    facts = Facts(20, 1.0, Random(0))
    known = {(fact.question, fact.value) for fact in facts.all}
    rows = list(text_rows(60, facts, Room(3, 48, ENCODE), Random(1)))
    kinds = dict.fromkeys(("fact", "sum", "scene"), 0)
    for row in rows:
        said = row["conversations"]
        assert isinstance(said, list)
        assert said
        for human, gpt in zip(said[::2], said[1::2], strict=True):
            found = re.fullmatch(r"what is (\d+) \+ (\d+)\?", human["value"])
            if found:
                assert int(found[1]) + int(found[2]) == int(gpt["value"])
            kinds["sum" if found else "scene" if " at " in human["value"] else "fact"] += 1
            if "lor" in human["value"]:
                assert (human["value"], gpt["value"]) in known
    assert min(kinds.values()) > 10
    assert len({row["id"] for row in rows}) == 60
