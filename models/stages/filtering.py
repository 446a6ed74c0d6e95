"""The stage `filter`."""

import math
import time

import numpy as np
import torch
from numpy.typing import NDArray

from models.data.captions import Captions, open_captions
from models.data.images import open_images
from models.data.kept import Scores, write_scores
from models.data.packing import check_room
from models.perplexity import CaptionScorer, kept_count, least_surprising
from models.stages.start import config_of, prepare
from models.training import checkpoint
from models.training.checkpoint import Checkpoint
from models.training.features import open_features
from models.training.loop import CHECKPOINT_SECONDS
from models.training.validation import POSITIONS_AT_ONCE
from models.training.weights import weights_folders
from orchestrator.spec.run import Filter
from orchestrator.store.stage import (
    DivergedError,
    Measure,
    Progress,
    StageContext,
    StageResult,
    StoppedError,
)

Sums = tuple[NDArray[np.float64], NDArray[np.int64]]
"""Of each caption: summed loss in nats, and scored ids (0: not scored yet), (n,) each."""


def filter_captions(context: StageContext) -> StageResult:
    """Score captions by a trained model, and say which are the least surprising ones.

    Raises:
        ConfigError: if no caption would be kept, or an image leaves no room for text.
        DataError: if captions or images are missing or damaged.
        RecordError: if the model has no undamaged checkpoint, or is another one.
        DivergedError: if a loss is no number.
        StoppedError: if it was asked to stop; what is scored is on disk.
    """
    if not context.world.is_first:
        return StageResult(measures=(), counts={})  # one process does all of it
    config = config_of(context, Filter)
    captions = open_captions(context.data(config.captions), config.model.vocab_size)
    count = kept_count(len(captions), config.keep)
    losses, tokens = _score_all(context, _scorer(context, config, captions))
    nats = losses / tokens
    scores = Scores(tokens=tokens, nats=nats, kept=least_surprising(nats, count))
    images = open_images(context.data(config.captions))
    keys = [images.key(number) for number in captions.images.tolist()]
    write_scores(context.folder, config.captions, keys, scores)
    return StageResult(
        measures=(
            *_summary("kept_captions", nats[scores.kept]),
            *_summary("dropped_captions", nats[~scores.kept]),
        ),
        counts={
            "captions": len(captions),
            "kept_captions": count,
            "dropped_captions": len(captions) - count,
            "skipped_samples": len(captions.bad),
            "scored_tokens": int(tokens.sum()),
            "cut_captions": int(np.count_nonzero(tokens < captions.lengths)),
        },
    )


def _scorer(context: StageContext, config: Filter, captions: Captions) -> CaptionScorer:
    device = prepare(context)
    check_room(config.model.seq_len, config.vision.image_tokens)
    folder, published = context.parent(config.parent), weights_folders(context, config.vision)
    model = checkpoint.load_trained(folder, config.model, config.vision, published)
    return CaptionScorer(
        model=model.to(device),
        captions=captions,
        features=open_features(context, config.captions, config.vision, config.tower),
        seq_len=config.model.seq_len,
        image_tokens=config.vision.image_tokens,
        execution=context.execution,
        positions_at_once=POSITIONS_AT_ONCE,
    )


def _score_all(context: StageContext, scorer: CaptionScorer) -> Sums:
    """Score every caption, going on from the run's own newest checkpoint."""
    batches = list(scorer.batches())
    done, (losses, tokens) = _resume(context, len(scorer.captions))
    context.resumed(done)
    saved = time.monotonic()
    for step, numbers in enumerate(batches[done:], start=done + 1):
        losses[numbers], tokens[numbers] = scorer.score(numbers)
        loss = float(losses[numbers].sum() / tokens[numbers].sum())
        if not math.isfinite(loss):
            raise DivergedError(f"the loss of captions {numbers.tolist()[:5]} is {loss}")
        position = int(np.count_nonzero(tokens))
        context.report(Progress(step=step, steps=len(batches), position=position, loss=loss))
        stopped = context.stop_requested()
        if stopped or step == len(batches) or time.monotonic() - saved >= CHECKPOINT_SECONDS:
            _save(context, step, (losses, tokens))
            saved = time.monotonic()
        if stopped:
            raise StoppedError(f"stopped after {position} of {len(tokens)} captions")
    return losses, tokens


def _resume(context: StageContext, n: int) -> tuple[int, Sums]:
    """Return the batches that are done, and what they gave."""
    newest = checkpoint.newest_valid(context.folder.checkpoints)
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


def _summary(group: str, nats: NDArray[np.float64]) -> tuple[Measure, ...]:
    """Average the perplexity and the loss of a group's captions, each caption alike."""
    return tuple(
        Measure(
            suite="filter",
            benchmark=group,
            metric=metric,
            value=float(values.mean()) if len(values) else None,
            n=len(values),
            stderr=float(values.std(ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else None,
            reason=None if len(values) else "there is no such caption",
        )
        for metric, values in (("perplexity", np.exp(nats)), ("nats_per_token", nats))
    )
