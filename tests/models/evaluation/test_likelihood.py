"""Batched log-likelihoods against one sequence at a time."""

from dataclasses import replace
from random import Random

import pytest
import torch

from models.data.tokenizer import IMAGE
from models.evaluation.likelihood import Continuation, batches, loglikelihoods
from models.evaluation.respondent import Respondent

TOLERANCE = 1e-4
"""Nats. Sums of some ten fp32 logarithms whose products are taken in another order."""


def one_by_one(respondent: Respondent, asked: Continuation) -> tuple[float, bool]:
    """The obvious way: the whole sequence alone, all positions scored."""
    images = torch.tensor([] if asked.image is None else [asked.image])
    assert respondent.features is not None
    with torch.inference_mode():
        logits = respondent.model(
            torch.tensor([asked.tokens]),
            features=respondent.features(images.numpy()) if len(images) else None,
        )[0]
    scored = asked.tokens[asked.start :]
    ahead = logits[asked.start - 1 : -1]
    nats = ahead.log_softmax(-1)[range(len(scored)), scored]
    return nats.sum().item(), ahead.argmax(-1).tolist() == list(scored)


def mixed(rng: Random) -> list[Continuation]:
    """Continuations with and without images, of which many begin alike."""
    asked: list[Continuation] = []
    for _ in range(12):
        image = rng.choice([None, *range(12)])
        before = () if image is None else (IMAGE,) * 9
        prompt = (*before, *(rng.randrange(4, 500) for _ in range(rng.randrange(1, 30))))
        for _ in range(rng.randrange(1, 5)):
            end = tuple(rng.randrange(4, 500) for _ in range(rng.randrange(1, 6)))
            asked.append(Continuation((*prompt, *end), len(prompt), image))
            asked.append(Continuation((*prompt, end[0]), len(prompt), image))
    rng.shuffle(asked)
    return asked


@pytest.mark.parametrize("positions", [1, 100, 8192])
def test_they_are_those_of_single_sequences_for_any_batch(
    respondent: Respondent, positions: int
) -> None:
    asked = mixed(Random(0))
    found = loglikelihoods(replace(respondent, batch_positions=positions), asked)
    for one, expected in zip(found, (one_by_one(respondent, a) for a in asked), strict=True):
        assert one.nats == pytest.approx(expected[0], abs=TOLERANCE)
        assert one.is_greedy == expected[1]


def test_the_greedy_continuation_is_known_as_such(respondent: Respondent) -> None:
    tokens = [5, 6, 7]
    for _ in range(4):
        with torch.inference_mode():
            tokens.append(int(respondent.model(torch.tensor([tokens]))[0, -1].argmax()))
    other = (*tokens[:-1], (tokens[-1] + 1) % 500)
    asked = [Continuation(tuple(tokens), 3), Continuation(other, 3)]
    assert [found.is_greedy for found in loglikelihoods(respondent, asked)] == [True, False]


def test_what_begins_alike_goes_through_the_model_once(respondent: Respondent) -> None:
    ticks: list[None] = []
    single = replace(respondent, batch_positions=1, tick=lambda: ticks.append(None))
    loglikelihoods(single, [Continuation((5, 6, 7, option), 3) for option in range(8, 20)])
    assert len(ticks) == 1


def test_the_same_words_with_another_image_are_another_sequence(respondent: Respondent) -> None:
    tokens = (*(IMAGE,) * 9, 5, 6, 7)
    asked = [Continuation(tokens, 10, image) for image in (0, 1, 0)]
    first, second, third = loglikelihoods(respondent, asked)
    assert first.nats != second.nats
    assert first == third


def test_batches_hold_all_sequences_within_their_positions() -> None:
    lengths = [3, 9, 1, 4, 4, 20, 2]
    found = batches(lengths, 10)
    assert sorted(i for batch in found for i in batch) == list(range(7))
    for batch in found:
        assert len(batch) == 1 or max(lengths[i] for i in batch) * len(batch) <= 10
