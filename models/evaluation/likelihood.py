"""How likely a model holds given continuations, computed once for all that share their beginning.

Shapes in comments: B sequences, T positions, N scored positions, V vocabulary.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from models.evaluation.dealing import dealt
from models.evaluation.packing import Pack, Path, layout, packs
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


def loglikelihoods(
    respondent: Respondent, continuations: Sequence[Continuation]
) -> list[Likelihood]:
    """Score continuations, in the order given.

    What continuations begin with alike goes through the model once.
    """
    packed = packs([(asked.tokens[:-1], asked.image) for asked in continuations])
    grouped = batches([len(pack.tokens) for pack in packed], respondent.read_positions)
    with respondent.answering():
        parts = dealt(
            respondent.ranks,
            grouped,
            lambda batch: _score(respondent, [packed[i] for i in batch], continuations),
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


def _score(
    respondent: Respondent, packed: list[Pack], continuations: Sequence[Continuation]
) -> dict[int, Likelihood]:
    """Run one batch and read every continuation off it."""
    respondent.tick()
    batch = replace(
        respondent.batch([(tuple(pack.tokens), pack.image) for pack in packed]),
        layout=layout(packed, respondent.execution.device.value),
    )
    T = batch.ids.shape[1]
    places: list[Path] = []  # of the predictions of scored tokens, counted over B and T
    targets: list[int] = []
    readers: list[int] = []
    sizes: list[int] = []
    for b, pack in enumerate(packed):
        for reader, path in pack.paths.items():
            asked = continuations[reader]
            readers.append(reader)
            sizes.append(len(asked.tokens) - asked.start)
            places.append(b * T + path[asked.start - 1 :])
            targets.extend(asked.tokens[asked.start :])
    unique, inverse = np.unique(np.concatenate(places), return_inverse=True)
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
