"""How likely a model holds given continuations, computed once for all that share their beginning.

Shapes in comments: B sequences, T positions, N scored positions, V vocabulary.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.evaluation.dealing import dealt
from models.evaluation.respondent import Respondent, Tokens


@dataclass(frozen=True, slots=True)
class Continuation:
    """Tokens, of which those from `start` on are scored."""

    tokens: Tokens
    """At least one token before the scored ones."""
    start: int
    """First scored position. At least 1."""
    image: int | None = None
    """Number of the image in `tokens`; None if there is none."""


@dataclass(frozen=True, slots=True)
class Likelihood:
    """What a model thinks of a continuation."""

    nats: float
    """Log-likelihood of the scored tokens. At most 0."""
    is_greedy: bool
    """Whether each scored token is the likeliest in its place."""


@dataclass(frozen=True, slots=True)
class _Row:
    """A sequence that goes through the model, and the continuations that are read off it."""

    tokens: Tokens
    image: int | None
    readers: list[int]


def loglikelihoods(
    respondent: Respondent, continuations: Sequence[Continuation]
) -> list[Likelihood]:
    """Score continuations, in the order given.

    A continuation whose input is the beginning of another's costs nothing: both are read off one
    sequence, which causal attention makes exact.
    """
    rows = _rows(continuations)
    grouped = batches([len(row.tokens) for row in rows], respondent.batch_positions)
    with respondent.answering():
        parts = dealt(
            respondent.ranks,
            grouped,
            lambda batch: _score(respondent, [rows[i] for i in batch], continuations),
        )
    found = {number: one for part in parts for number, one in part.items()}
    return [found[i] for i in range(len(continuations))]


def batches(lengths: Sequence[int], positions: int) -> list[list[int]]:
    """Group sequences of similar length, the longest first, into batches of `positions` at most.

    A sequence longer than `positions` is a batch of its own.
    """
    grouped: list[list[int]] = []
    for i in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        current = grouped[-1] if grouped else []
        if not current or lengths[current[0]] * (len(current) + 1) > positions:
            grouped.append([i])
        else:
            current.append(i)
    return grouped


def _rows(continuations: Sequence[Continuation]) -> list[_Row]:
    """Return the inputs that are no beginning of another, each with its readers.

    In sorted order, all extensions of a sequence stand directly behind it.
    """

    def key(i: int) -> tuple[int, Tokens]:
        image = continuations[i].image
        return (-1 if image is None else image, continuations[i].tokens[:-1])

    rows: list[_Row] = []
    for i in sorted(range(len(continuations)), key=key, reverse=True):
        image, tokens = continuations[i].image, continuations[i].tokens[:-1]
        last = rows[-1] if rows else None
        if last and last.image == image and last.tokens[: len(tokens)] == tokens:
            last.readers.append(i)
        else:
            rows.append(_Row(tokens, image, [i]))
    return rows


def _score(
    respondent: Respondent, rows: list[_Row], continuations: Sequence[Continuation]
) -> dict[int, Likelihood]:
    """Run one batch and read every continuation off it."""
    respondent.tick()
    batch = respondent.batch([(row.tokens, row.image) for row in rows])
    T = batch.ids.shape[1]
    places: list[int] = []  # of the predictions of scored tokens, counted over B and T
    targets: list[int] = []
    readers: list[int] = []
    sizes: list[int] = []
    for b, row in enumerate(rows):
        for reader in row.readers:
            asked = continuations[reader]
            readers.append(reader)
            sizes.append(len(asked.tokens) - asked.start)
            places.extend(range(b * T + asked.start - 1, b * T + len(asked.tokens) - 1))
            targets.extend(asked.tokens[asked.start :])
    unique, inverse = np.unique(np.array(places), return_inverse=True)
    chosen = torch.from_numpy(unique).to(batch.ids.device)  # (N,)
    logits = respondent.logits(batch, chosen)  # (N, V)
    nats, greedy = _read(logits, torch.from_numpy(inverse), torch.tensor(targets))
    ends = np.cumsum(sizes)
    spans = list(zip(readers, ends - sizes, ends, strict=True))
    return {
        reader: Likelihood(float(nats[start:end].sum()), bool(greedy[start:end].all()))
        for reader, start, end in spans
    }


def _read(
    logits: Tensor, index: Tensor, targets: Tensor
) -> tuple[np.ndarray[tuple[int], np.dtype[np.float64]], np.ndarray[tuple[int], np.dtype[np.bool]]]:
    """Return each target's log-likelihood and whether it is the likeliest, as flat arrays."""
    index, targets = index.to(logits.device), targets.to(logits.device)
    best = logits.argmax(-1)  # (N,)
    norm = torch.logsumexp(logits, -1)  # (N,)
    nats = logits[index, targets] - norm[index]
    return nats.double().cpu().numpy(), (best[index] == targets).cpu().numpy()
