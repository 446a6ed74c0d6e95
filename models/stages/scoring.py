"""Scoring all items of a filter by a trained model, in steps that can be gone on from."""

import math
import time

import numpy as np
import torch
from numpy.typing import NDArray

from models.perplexity import Items, Scorer
from models.stages.start import prepare
from models.training import checkpoint
from models.training.checkpoint import Checkpoint
from models.training.checkpoint_folders import newest_valid
from models.training.features import Features
from models.training.training import CHECKPOINT_SECONDS
from models.training.validation import POSITIONS_AT_ONCE
from models.training.weights import weights_folders
from orchestrator.spec.run import Filter
from orchestrator.store.stage import (
    DivergedError,
    Measure,
    Progress,
    StageContext,
    StoppedError,
)

Sums = tuple[NDArray[np.float64], NDArray[np.int64]]
"""Of each item: summed loss in nats, and scored ids (0: not scored yet), (n,) each."""


def scorer(
    context: StageContext, config: Filter, items: Items, features: Features | None
) -> Scorer:
    """Return the filter's model, ready to score.

    Raises:
        RecordError: if the model has no undamaged checkpoint, or is another one.
    """
    device = prepare(context)
    vision = config.vision
    published = None if vision is None else weights_folders(context, vision)
    model = checkpoint.load_trained(context.parent(config.parent), config.model, vision, published)
    return Scorer(
        model=model.to(device),
        items=items,
        features=features,
        execution=context.execution,
        positions_at_once=POSITIONS_AT_ONCE,
    )


def score_all(context: StageContext, scorer: Scorer) -> Sums:
    """Score every item, going on from the run's own newest checkpoint.

    Raises:
        DivergedError: if a loss is no number.
        StoppedError: if it was asked to stop; what is scored is on disk.
    """
    batches = list(scorer.batches())
    done, (losses, tokens) = _resume(context, len(scorer.items))
    context.resumed(done)
    saved = time.monotonic()
    for step, numbers in enumerate(batches[done:], start=done + 1):
        losses[numbers], tokens[numbers] = scorer.score(numbers)
        loss = float(losses[numbers].sum() / tokens[numbers].sum())
        if not math.isfinite(loss):
            raise DivergedError(f"the loss of items {numbers.tolist()[:5]} is {loss}")
        position = int(np.count_nonzero(tokens))
        context.report(Progress(step=step, steps=len(batches), position=position, loss=loss))
        stopped = context.stop_requested()
        if stopped or step == len(batches) or time.monotonic() - saved >= CHECKPOINT_SECONDS:
            _save(context, step, (losses, tokens))
            saved = time.monotonic()
        if stopped:
            raise StoppedError(f"stopped after {position} of {len(tokens)} items")
    return losses, tokens


def summary(group: str, nats: NDArray[np.float64]) -> tuple[Measure, ...]:
    """Average the perplexity and the loss of a group, each caption or document alike."""
    return tuple(
        Measure(
            suite="filter",
            benchmark=group,
            metric=metric,
            value=float(values.mean()) if len(values) else None,
            n=len(values),
            stderr=float(values.std(ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else None,
            reason=None if len(values) else f"there are no {group.replace('_', ' ')}",
        )
        for metric, values in (("perplexity", np.exp(nats)), ("nats_per_token", nats))
    )


def _resume(context: StageContext, n: int) -> tuple[int, Sums]:
    """Return the batches that are done, and what they gave."""
    newest = newest_valid(context.folder.checkpoints)
    if newest is None:
        return 0, (np.zeros(n), np.zeros(n, dtype=np.int64))
    own = checkpoint.read(newest)
    return own.step, (own.weights["nats"].numpy().copy(), own.weights["tokens"].numpy().copy())


def _save(context: StageContext, step: int, sums: Sums) -> None:
    losses, tokens = sums
    position = int(np.count_nonzero(tokens))
    kept = {"nats": torch.from_numpy(losses), "tokens": torch.from_numpy(tokens)}
    checkpoint.save(
        context.folder.checkpoints,
        Checkpoint(step=step, position=position, counters={}, weights=kept, optimizer=None),
        keep=1,
        holding=context.holding,
    )
