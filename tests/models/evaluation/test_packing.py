"""Sequences that begin alike, in one row: where their tokens stand and what they see."""

from random import Random

import pytest
import torch

from models.data.tokenizer import IMAGE
from models.evaluation.packing import PACK_POSITIONS, Pack, layout, packs
from models.evaluation.respondent import Tokens

Sequences = list[tuple[Tokens, int | None]]
CHOICES: Sequences = [((5, 6, 7, 8, end, end), None) for end in (10, 11, 12)]


def branching(rng: Random, count: int) -> Sequences:
    """Sequences that were grown from the beginnings of others, some of which end there."""
    made: Sequences = [((4, 5, 6), None)]
    for _ in range(count):
        tokens, image = rng.choice(made)
        start = tokens[: rng.randrange(1, len(tokens) + 1)]
        made.append(((*start, *(rng.randrange(4, 9) for _ in range(rng.randrange(4)))), image))
    return made


def seen_by(pack: Pack, place: int) -> tuple[int, ...]:
    """Return the tokens that a place of a pack sees, in order, as its mask has them."""
    laid = layout([pack], "cpu")
    count = len(pack.tokens)
    mask = torch.ones(count, count).tril().bool() if laid is None else laid.mask[0, 0]
    return tuple(
        token for token, sees in zip(pack.tokens, mask[place].tolist(), strict=True) if sees
    )


@pytest.mark.parametrize("seed", range(8))
def test_each_token_sees_its_own_sequence_up_to_itself_and_nothing_else(seed: int) -> None:
    sequences = branching(Random(seed), 30)
    made = packs(sequences)
    found = {number: (pack, path) for pack in made for number, path in pack.paths.items()}
    assert sorted(found) == list(range(len(sequences)))
    for number, (tokens, _) in enumerate(sequences):
        pack, path = found[number]
        laid = layout([pack], "cpu")
        assert tuple(pack.tokens[place] for place in path) == tokens
        for i, place in enumerate(path):
            assert seen_by(pack, int(place)) == tokens[: i + 1]
            assert (int(place) if laid is None else int(laid.places[0, place])) == i


def test_a_shared_beginning_is_held_once() -> None:
    (pack,) = packs(CHOICES)
    assert len(pack.tokens) == 4 + 3 * 2
    assert not pack.is_chain


def test_the_beginning_of_a_sequence_costs_nothing() -> None:
    (pack,) = packs([((5, 6), None), ((5, 6, 7), None), ((5, 6, 7), None)])
    assert pack.tokens == [5, 6, 7]
    assert layout([pack], "cpu") is None  # all of it is one chain


def test_sequences_that_share_little_stay_apart() -> None:
    assert len(packs([((5, 6, 7, 8, 9), None), ((5, 6, 1, 1, 1), None)])) == 2


def test_packs_have_an_end() -> None:
    start = (4,) * 200
    made = packs([((*start, n // 400 + 5, n % 400 + 5), None) for n in range(2000)])
    assert len(made) > 1
    assert max(len(pack.tokens) for pack in made) <= PACK_POSITIONS


def test_another_image_is_another_pack_and_no_image_is_there_twice() -> None:
    image = (IMAGE,) * 9
    made = packs([((*image, 5, 6, end), number) for number in (0, 1) for end in (7, 8)])
    assert [pack.image for pack in made] == [1, 0]
    assert [pack.tokens.count(IMAGE) for pack in made] == [9, 9]
    late = [((*(4,) * 20, end, *image), 0) for end in (7, 8)]  # they differ before the image
    assert [pack.tokens.count(IMAGE) for pack in packs(late)] == [9, 9]


def test_padding_sees_itself_so_that_nothing_becomes_no_number() -> None:
    laid = layout([*packs(CHOICES), *packs([((5,), None)])], "cpu")
    assert laid is not None
    assert laid.mask.any(-1).all()
    assert not laid.mask[1, 0, 0, 1:].any()
