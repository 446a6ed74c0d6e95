"""Facts about named entities: what text teaches and images do not. Pure.

Some entities are spoken of often and most of them seldom (Zipf's law), so that a model that is
larger, or reads for longer, knows more of them: text loss then scales with both.
"""

from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate, product
from random import Random

from models.data.shapeworld.scene import COLOURS, SHAPES

_SYLLABLES = tuple(c + v for c, v in product("bdfgklmnprstvz", "aeiou"))[:64]
FIRST_NAMES = tuple(f"{syllable}x" for syllable in _SYLLABLES)
LAST_NAMES = tuple(f"{syllable}lor" for syllable in _SYLLABLES)
TOWNS = tuple(f"{syllable}rton" for syllable in _SYLLABLES[:32])
DISHES = tuple(f"{syllable}ppi" for syllable in _SYLLABLES[::2][:24])


@dataclass(frozen=True, slots=True)
class Relation:
    """What can be said of an entity."""

    statement: str
    """With the entity's `name` and the `value`."""
    question: str
    """With the entity's `name`."""
    values: tuple[str, ...]
    """What it can be."""


RELATIONS = (
    Relation("{name} has the colour {value}.", "what colour has {name}?", COLOURS),
    Relation("{name} has the shape {value}.", "what shape has {name}?", SHAPES),
    Relation("{name} lives in {value}.", "where does {name} live?", TOWNS),
    Relation("{name} eats {value}.", "what does {name} eat?", DISHES),
)


@dataclass(frozen=True, slots=True)
class Fact:
    """One relation of one entity."""

    rank: int
    """The entity's, from 0: the lower, the more is said of it."""
    name: str
    """The entity's, two words."""
    relation: Relation
    value: str

    @property
    def statement(self) -> str:
        """The fact as a sentence."""
        return self.relation.statement.format(name=self.name, value=self.value)

    @property
    def question(self) -> str:
        """The question that the value answers."""
        return self.relation.question.format(name=self.name)


class Facts:
    """All facts of a world, drawn by Zipf's law.

    Args:
        entities: how many there are, at most the pairs of names.
        zipf_exponent: the entity of rank r is drawn in proportion to (r + 1)^-zipf_exponent.
        rng: draws names and values.
    """

    def __init__(self, entities: int, zipf_exponent: float, rng: Random) -> None:
        pairs = rng.sample(list(product(FIRST_NAMES, LAST_NAMES)), entities)
        self.all = tuple(
            Fact(rank, f"{first} {last}", relation, rng.choice(relation.values))
            for rank, (first, last) in enumerate(pairs)
            for relation in RELATIONS
        )
        weights = ((rank + 1) ** -zipf_exponent for rank in range(entities))
        self._cumulative = list(accumulate(weights))

    def draw(self, rng: Random) -> Fact:
        """Draw an entity by its weight, and one of its relations."""
        point = rng.random() * self._cumulative[-1]
        rank = min(bisect_right(self._cumulative, point), len(self._cumulative) - 1)
        return self.all[rank * len(RELATIONS) + rng.randrange(len(RELATIONS))]
