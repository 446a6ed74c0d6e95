"""Facts: as many as asked for, drawn by Zipf's law."""

from collections import Counter
from random import Random

import numpy as np

from models.data.shapeworld.config import MOST_ENTITIES
from models.data.shapeworld.facts import DISHES, FIRST_NAMES, LAST_NAMES, RELATIONS, TOWNS, Facts


def test_each_entity_has_its_own_name_and_one_value_of_each_relation() -> None:
    facts = Facts(MOST_ENTITIES, 1.0, Random(0)).all
    assert len({fact.name for fact in facts}) == MOST_ENTITIES
    assert len({fact.question for fact in facts}) == len(facts) == MOST_ENTITIES * len(RELATIONS)
    assert all(fact.value in fact.relation.values for fact in facts)
    assert all(fact.name in fact.statement and fact.value in fact.statement for fact in facts)


def test_no_word_is_used_for_two_things() -> None:
    words = [*FIRST_NAMES, *LAST_NAMES, *TOWNS, *DISHES]
    assert len(set(words)) == len(words)


def test_ranks_are_drawn_by_zipfs_law() -> None:
    facts, rng, draws = Facts(50, 1.5, Random(0)), Random(1), 20_000
    counts = Counter(facts.draw(rng).rank for _ in range(draws))
    weights = np.arange(1, 51) ** -1.5
    expected = draws * weights / weights.sum()
    found = np.array([counts[rank] for rank in range(50)])
    chi_square = ((found - expected) ** 2 / expected).sum()
    assert chi_square < 49 + 5 * (2 * 49) ** 0.5  # mean + 5 standard deviations at 49 degrees


def test_relations_are_drawn_alike() -> None:
    facts, rng = Facts(1, 1.0, Random(0)), Random(1)
    counts = Counter(facts.draw(rng).relation for _ in range(4000))
    assert min(counts.values()) > 1000 - 5 * (4000 * 3 / 16) ** 0.5  # 5 standard deviations
