"""Greedy generation for many prompts at once.

Shapes in comments: B sequences, T positions, V vocabulary.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from models.data.tokenizer import END_OF_TEXT
from models.evaluation.dealing import dealt
from models.evaluation.likelihood import batches
from models.evaluation.respondent import Batch, Respondent, Tokens


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a model is to go on from."""

    tokens: Tokens
    """At least one token."""
    image: int | None = None
    """Number of the image in `tokens`; None if there is none."""


@dataclass(frozen=True, slots=True)
class Generated:
    """What a model wrote."""

    tokens: Tokens
    """Without END_OF_TEXT."""
    is_finished: bool
    """Whether END_OF_TEXT came before the room was used up."""


def generate(
    respondent: Respondent, prompts: Sequence[Prompt], *, max_new_tokens: int
) -> list[Generated]:
    """Take the likeliest token again and again, up to END_OF_TEXT, for each prompt.

    No sequence grows beyond `seq_len` + 1 tokens, the last of which is never read. Prompts of equal
    length share a batch, so that there is no padding; equal prompts are asked once.
    """
    by_length: dict[int, list[Prompt]] = defaultdict(list)
    for prompt in dict.fromkeys(prompts):
        by_length[len(prompt.tokens)].append(prompt)
    grouped: list[list[Prompt]] = []
    for length, equal in by_length.items():
        longest = length + _room(respondent, length, max_new_tokens)
        for batch in batches([longest] * len(equal), respondent.batch_positions):
            grouped.append([equal[i] for i in batch])
    with respondent.answering():
        parts = dealt(
            respondent.ranks, grouped, lambda batch: _generate(respondent, batch, max_new_tokens)
        )
    written = {
        prompt: one
        for batch, part in zip(grouped, parts, strict=True)
        for prompt, one in zip(batch, part, strict=True)
    }
    return [written[prompt] for prompt in prompts]


def _room(respondent: Respondent, length: int, max_new_tokens: int) -> int:
    return min(max_new_tokens, respondent.seq_len + 1 - length)


def _generate(
    respondent: Respondent, prompts: list[Prompt], max_new_tokens: int
) -> list[Generated]:
    room = _room(respondent, len(prompts[0].tokens), max_new_tokens)
    batch = respondent.batch([(prompt.tokens, prompt.image) for prompt in prompts])
    cache = respondent.model.new_cache()
    steps: list[Tensor] = []
    ended = torch.zeros(len(prompts), dtype=torch.bool, device=batch.ids.device)
    while len(steps) < room and not bool(ended.all()):
        respondent.tick()
        B, T = batch.ids.shape
        last = torch.arange(T - 1, B * T, T, device=batch.ids.device)  # (B,)
        best = respondent.logits(batch, last, cache).argmax(-1)  # (B,)
        steps.append(best)
        ended |= best == END_OF_TEXT
        batch = Batch(ids=best[:, None], features=None)  # (B, 1)
    rows = cast(list[list[int]], torch.stack(steps, 1).tolist())  # (B, tokens)
    return [_cut(row) for row in rows]


def _cut(row: list[int]) -> Generated:
    if END_OF_TEXT in row:
        return Generated(tuple(row[: row.index(END_OF_TEXT)]), is_finished=True)
    return Generated(tuple(row), is_finished=False)
