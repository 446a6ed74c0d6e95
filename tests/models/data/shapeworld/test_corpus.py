"""The text of the world: true, mixed, and of its own split."""

import re
from collections import Counter
from random import Random

import pytest

from models.data.shapeworld.corpus import Corpus, Document
from models.data.shapeworld.facts import Facts
from models.data.shapeworld.scene import COLOURS, PLACES, SHAPES, THINGS, Scene, Split, split_of

FACTS = Facts(30, 1.0, Random(0))
DOCUMENTS = {
    split: [corpus.draw() for _ in range(3000)]
    for split in (Split.TRAIN, Split.VAL)
    for corpus in (Corpus(FACTS, split, Random(1)),)
}


def test_facts_are_the_worlds_and_each_document_says_which_it_states() -> None:
    known = {(fact.question, fact.value) for fact in FACTS.all}
    stated = {fact.statement for fact in FACTS.all}
    for document in DOCUMENTS[Split.TRAIN]:
        sentences = re.findall(r"\w+x \w+lor (?:has|lives|eats)[^.]*\.", document.text)
        asked = re.fullmatch(r"In: (.*\w+x \w+lor.*\?)\nOut: (\w+)", document.text)
        assert set(sentences) <= stated
        if asked:
            assert (asked[1], asked[2]) in known
        assert len(document.facts) == len(sentences) + bool(asked)


def test_sums_are_right() -> None:
    pattern = re.compile(r"(\d+) \+ (\d+)(?: = |\?\nOut: )(\d+)")
    sums = [found for d in DOCUMENTS[Split.TRAIN] for found in pattern.findall(d.text)]
    assert len(sums) > 100
    assert all(int(a) + int(b) == int(total) for a, b, total in sums)


@pytest.mark.parametrize("split", [Split.TRAIN, Split.VAL])
def test_imagined_scenes_are_of_the_corpus_split(split: Split) -> None:
    scenes = [scene for document in DOCUMENTS[split] if (scene := described(document))]
    assert len(scenes) > 500
    assert {split_of(scene) for scene in scenes} == {split}


def described(document: Document) -> Scene | None:
    names = "|".join(f"{colour} {shape}" for colour in COLOURS for shape in SHAPES)
    places = "|".join(sorted(PLACES, key=len, reverse=True))
    found = re.findall(rf"({names}) at ({places})(?=[,.])", document.text)
    cells = sorted((PLACES.index(place), name) for name, place in found)
    by_name = [{thing.name: thing for thing in things} for things in THINGS]
    return Scene(tuple(by_name[cell][name] for cell, name in cells)) if cells else None


def test_every_kind_of_document_occurs() -> None:
    kinds = Counter(
        (" at " in d.text, "x " in d.text, "+" in d.text, d.text.startswith("In:"))
        for d in DOCUMENTS[Split.TRAIN]
    )
    assert len(kinds) == 6
    assert min(kinds.values()) > 50
