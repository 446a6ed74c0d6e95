"""Greedy generation against the obvious loop without a cache."""

from dataclasses import replace
from random import Random

import pytest
import torch

from models.data.tokenizer import END_OF_TEXT, IMAGE
from models.evaluation.generation import Prompt, generate
from models.evaluation.respondent import Respondent


def one_by_one(respondent: Respondent, prompt: Prompt, room: int) -> tuple[int, ...]:
    tokens = list(prompt.tokens)
    features = None
    if prompt.image is not None:
        assert respondent.features is not None
        features = respondent.features(torch.tensor([prompt.image]).numpy())
    for _ in range(room):
        with torch.inference_mode():
            logits = respondent.model(torch.tensor([tokens]), features=features)
        best = int(logits[0, -1].argmax())
        if best == END_OF_TEXT:
            break
        tokens.append(best)
    return tuple(tokens[len(prompt.tokens) :])


def prompts() -> list[Prompt]:
    rng = Random(1)
    made: list[Prompt] = []
    for _ in range(15):
        image = rng.choice([None, 0, 1, 2])
        before = () if image is None else (IMAGE,) * 9
        words = tuple(rng.randrange(4, 500) for _ in range(rng.randrange(1, 6)))
        made.append(Prompt((*before, *words), image))
    return [*made, made[0]]


@pytest.mark.parametrize("positions", [1, 120, 8192])
def test_tokens_are_those_of_single_prompts_for_any_batch(
    respondent: Respondent, positions: int
) -> None:
    asked = prompts()
    found = generate(replace(respondent, batch_positions=positions), asked, max_new_tokens=12)
    assert [one.tokens for one in found] == [one_by_one(respondent, p, 12) for p in asked]


def test_it_ends_at_end_of_text(respondent: Respondent) -> None:
    # All tokens are equally likely to this model, and END_OF_TEXT is the first of them.
    with torch.no_grad():
        output = respondent.model.decoder.output
        assert output is not None
        output.weight.zero_()
    (found,) = generate(respondent, [Prompt((5, 6))], max_new_tokens=12)
    assert found.tokens == ()
    assert found.is_finished


def test_no_sequence_grows_beyond_the_models_length(respondent: Respondent) -> None:
    short = replace(respondent, seq_len=10)
    long_prompt, full = Prompt((7,) * 8), Prompt((7,) * 10)
    first, second = generate(short, [long_prompt, full], max_new_tokens=50)
    assert (len(first.tokens), len(second.tokens)) == (3, 1)
    assert not first.is_finished


def test_it_may_end_where_nothing_more_is_read(respondent: Respondent) -> None:
    asked = prompts()
    ticks: list[None] = []
    counted = replace(respondent, tick=lambda: ticks.append(None))
    whole = generate(counted, asked, max_new_tokens=60)
    steps = len(ticks)
    some = generate(counted, asked, max_new_tokens=60, is_enough=lambda tokens: len(tokens) >= 10)
    assert len(ticks) - steps < steps / 2
    for one, other in zip(some, whole, strict=True):
        assert len(one.tokens) >= min(10, len(other.tokens))
        assert other.tokens[: len(one.tokens)] == one.tokens


def test_each_prompt_has_the_room_that_its_own_length_leaves(respondent: Respondent) -> None:
    short = replace(respondent, seq_len=30)
    found = generate(short, [Prompt((7,) * n) for n in (30, 20, 3)], max_new_tokens=15)
    assert [len(one.tokens) for one in found if not one.is_finished] == [1, 11, 15]
