"""Greedy generation for many prompts at once.

Shapes in comments: B sequences, T positions of the longest prompt, S positions so far.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from models.architecture.attention import KeyValueCache, Layout
from models.data.tokenizer import END_OF_TEXT
from models.evaluation.dealing import dealt
from models.evaluation.likelihood import batches
from models.evaluation.respondent import Batch, Respondent, Tokens

STEPS_BETWEEN_LOOKS = 8
"""Tokens between two looks at what was written; a look takes about as long as a small step."""


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
    respondent: Respondent,
    prompts: Sequence[Prompt],
    *,
    max_new_tokens: int,
    is_enough: Callable[[Tokens], bool] | None = None,
) -> list[Generated]:
    """Take the likeliest token again and again, up to END_OF_TEXT, for each prompt.

    No sequence grows beyond `seq_len` + 1 tokens, the last of which is never read. Prompts of
    similar length share a batch; equal prompts are asked once.

    Args:
        respondent: the model.
        prompts: what it goes on from.
        max_new_tokens: how many tokens it may write. At least 1.
        is_enough: whether nothing behind these tokens will be read; asked now and then, so that
            more may be written. None: everything is.
    """
    asked = list(dict.fromkeys(prompts))
    rooms = [min(max_new_tokens, respondent.seq_len + 1 - len(one.tokens)) for one in asked]
    longest = [len(one.tokens) + room for one, room in zip(asked, rooms, strict=True)]
    grouped = [
        sorted(batch, key=lambda i: -len(asked[i].tokens))
        for batch in batches(longest, respondent.written_positions)
    ]
    with respondent.answering():
        parts = dealt(
            respondent.ranks,
            grouped,
            lambda batch: _generate(
                respondent, [asked[i] for i in batch], [rooms[i] for i in batch], is_enough
            ),
        )
    written = {
        asked[i]: one
        for batch, part in zip(grouped, parts, strict=True)
        for i, one in zip(batch, part, strict=True)
    }
    return [written[prompt] for prompt in prompts]


def _generate(
    respondent: Respondent,
    prompts: list[Prompt],
    rooms: list[int],
    is_enough: Callable[[Tokens], bool] | None,
) -> list[Generated]:
    """Write on from prompts, the longest first."""
    T, B = len(prompts[0].tokens), len(prompts)
    cache, best = _read(respondent, prompts)
    device = best.device
    lengths = torch.tensor([len(prompt.tokens) for prompt in prompts], device=device)  # (B,)
    room = torch.tensor(rooms, device=device)  # (B,)
    is_padded = len(prompts[-1].tokens) < T
    seen = _seen_later(lengths, T, max(rooms))  # (B, 1, 1, S)
    last = torch.arange(B, device=device)  # (B,)
    steps = [best]
    ended = (best == END_OF_TEXT) | (room <= 1)  # (B,)
    while not bool(ended.all()):
        respondent.tick()
        places = (lengths + len(steps) - 1)[:, None]  # (B, 1)
        layout = Layout(places, seen[..., : T + len(steps)]) if is_padded else None
        batch = Batch(best[:, None], None, layout)  # (B, 1)
        best = respondent.logits(batch, last, cache).argmax(-1)  # (B,)
        steps.append(best)
        ended |= (best == END_OF_TEXT) | (len(steps) >= room)
        if is_enough is not None and len(steps) % STEPS_BETWEEN_LOOKS == 0:
            ended |= torch.tensor([is_enough(_cut(row).tokens) for row in _rows(steps)]).to(device)
    return [_cut(row[:own]) for row, own in zip(_rows(steps), rooms, strict=True)]


def _read(respondent: Respondent, prompts: list[Prompt]) -> tuple[KeyValueCache, Tensor]:
    """Read prompts, the longest first, in batches of their own; return each one's next token."""
    caches: list[KeyValueCache] = []
    best: list[Tensor] = []
    for some in batches([len(prompt.tokens) for prompt in prompts], respondent.read_positions):
        respondent.tick()
        batch = respondent.batch([(prompts[i].tokens, prompts[i].image) for i in some])
        T = batch.ids.shape[1]
        ends = [row * T + len(prompts[i].tokens) - 1 for row, i in enumerate(some)]
        caches.append(respondent.model.new_cache())
        last = torch.tensor(ends, device=batch.ids.device)
        best.append(respondent.logits(batch, last, caches[-1]).argmax(-1))
    return KeyValueCache.joined(caches), torch.cat(best)  # (B,)


def _seen_later(lengths: Tensor, T: int, most: int) -> Tensor:
    """Return which positions a written token sees: no padding of prompts, all that was written.

    Args:
        lengths: of the prompts, (B,).
        T: length of the longest.
        most: tokens that are written behind the padded prompts, at most.
    """
    columns = torch.arange(T + most, device=lengths.device)  # (S,)
    return ((columns < lengths[:, None]) | (columns >= T))[:, None, None]  # (B, 1, 1, S)


def _rows(steps: list[Tensor]) -> list[list[int]]:
    return cast(list[list[int]], torch.stack(steps, 1).tolist())  # (B, tokens)


def _cut(row: list[int]) -> Generated:
    if END_OF_TEXT in row:
        return Generated(tuple(row[: row.index(END_OF_TEXT)]), is_finished=True)
    return Generated(tuple(row), is_finished=False)
