"""Text tasks: right answers among different choices, over the whole range of frequencies."""

import re
from collections import Counter
from collections.abc import Callable
from random import Random

import pytest
import yaml

from models.data.prompt import question_text
from models.data.shapeworld.facts import Fact, Facts
from models.data.shapeworld.scene import PLACES, THINGS, Scene, Split, split_of
from models.data.shapeworld.tasks import Row, fact_rows, scene_rows, sum_rows, task_yaml
from models.data.shapeworld.vocabulary import LARGEST_TERM

FACTS = Facts(300, 1.0, Random(0))
RNG = Random(1)
MENTIONS: Counter[Fact] = Counter(FACTS.draw(RNG) for _ in range(20_000))
ROWS = {
    "facts": fact_rows(MENTIONS, 200, Random(2)),
    "sums": sum_rows(200, Random(2)),
    "scenes": scene_rows(200, Random(2)),
}


def choices_of(row: Row) -> list[str]:
    choices = row["choices"]
    assert isinstance(choices, list)
    return [str(choice) for choice in choices]


def chosen(row: Row) -> str:
    answer = row["answer"]
    assert isinstance(answer, int)
    return choices_of(row)[answer]


@pytest.mark.parametrize("name", ["facts", "sums", "scenes"])
def test_choices_differ_and_the_answer_is_at_any_place(name: str) -> None:
    places: Counter[object] = Counter()
    for row in ROWS[name]:
        choices = choices_of(row)
        assert len(set(choices)) == len(choices)
        assert len(choices) == 4 or (name == "scenes" and sorted(choices) == ["no", "yes"])
        places[row["answer"]] += 1
    assert set(places) == {0, 1, 2, 3}
    assert max(places.values()) < 100


def test_facts_are_those_of_the_text() -> None:
    known = {fact.question: fact for fact in MENTIONS}
    for row in ROWS["facts"]:
        fact = known[str(row["question"])]
        assert chosen(row) == fact.value
        assert row["mentions"] == MENTIONS[fact]
    assert len({row["question"] for row in ROWS["facts"]}) == 200


def test_facts_are_drawn_over_the_whole_range_of_frequencies() -> None:
    asked = {str(row["question"]) for row in ROWS["facts"]}
    ranked = [fact.question for fact, _ in MENTIONS.most_common()]
    shares = [len(asked & set(ranked[a:b])) / (b - a) for a, b in ((0, 20), (20, 200), (200, 1000))]
    assert shares[0] > shares[1] > shares[2] > 0.05


def test_fewer_facts_than_questions_are_all_asked_once() -> None:
    some = Counter(dict(MENTIONS.most_common(7)))
    assert len(fact_rows(some, 200, Random(0))) == 7


def test_sums_are_right_and_no_choice_is_beyond_the_numbers_in_the_text() -> None:
    for row in ROWS["sums"]:
        a, b = map(int, re.findall(r"\d+", str(row["question"])))
        assert chosen(row) == str(a + b)
        assert all(0 <= int(choice) <= 2 * LARGEST_TERM for choice in choices_of(row))


def test_scenes_are_held_out_and_answered_from_their_description(
    right_answer: Callable[[Scene, str], str],
) -> None:
    by_name = [{thing.name: thing for thing in things} for things in THINGS]
    for row in ROWS["scenes"]:
        description, _, question = str(row["question"]).partition(". ")
        parts = (part.split(" at ") for part in description.split(", "))
        things = sorted((PLACES.index(place), name) for name, place in parts)
        scene = Scene(tuple(by_name[cell][name] for cell, name in things))
        assert split_of(scene) is Split.TEST
        assert chosen(row) == right_answer(scene, question)


def test_a_task_is_asked_as_the_model_was_trained() -> None:
    task = yaml.safe_load(task_yaml("shapeworld_sums"))
    asked = task["doc_to_text"].replace("{{question}}", "what is 1 + 2?")
    assert asked == question_text("what is 1 + 2?")
    assert task["target_delimiter"] == " "
    assert task["metadata"]["data_file"] == "shapeworld_sums.jsonl"
    assert (task["task"], task["output_type"]) == ("shapeworld_sums", "multiple_choice")
