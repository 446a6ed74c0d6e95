"""Held-out losses: nats per supervised token, with the error that a finite sample leaves.

Shapes in comments: N supervised positions, V vocabulary.
"""

from collections.abc import Iterable

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from models.architecture.vlm import VisionLanguageModel
from models.data.batch import IGNORE, Batch
from models.ratio import ratio_of_sums
from models.training.features import Features
from models.training.inputs import prepare
from models.training.loss import supervised_logits
from orchestrator.spec.execution import Execution
from orchestrator.store.stage import Measure

POSITIONS_AT_ONCE = 1 << 13
"""Sequence positions in one forward pass: 4 sequences of 2,048, whose logits over 50,432 tokens
take 1.7 GB."""


@torch.no_grad()
def held_out_loss(
    name: str,
    model: VisionLanguageModel,
    batches: Iterable[Batch],
    features: Features | None,
    execution: Execution,
) -> Measure:
    """Measure the mean loss over the supervised tokens of a split.

    The standard error is over sequences, as `ratio_of_sums` has it.

    Args:
        name: of the split: `val_text_loss`, `val_caption_loss`.
        model: what is measured.
        batches: all sequences of the split.
        features: of the images in them.
        execution: device and precision.
    """
    losses: list[np.ndarray] = []
    counts: list[np.ndarray] = []
    for batch in batches:
        loss, count = per_sequence(model, batch, features, execution)
        losses.append(loss)
        counts.append(count)
    loss, count = np.concatenate(losses), np.concatenate(counts)
    mean, stderr = ratio_of_sums(loss, count)
    return Measure(
        suite="loss",
        benchmark=name,
        metric="nats_per_token",
        value=mean,
        n=int(count.sum()),
        stderr=stderr,
    )


@torch.no_grad()
def per_sequence(
    model: VisionLanguageModel, batch: Batch, features: Features | None, execution: Execution
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return each sequence's summed loss in nats and its supervised tokens, each (B,)."""
    inputs = prepare(batch, features).on(torch.device(execution.device))
    logits = supervised_logits(model, inputs, execution).float()  # (N, V)
    losses = F.cross_entropy(logits, inputs.targets, reduction="none").cpu().numpy()  # (N,)
    rows, _ = np.nonzero(batch.targets != IGNORE)  # (N,)
    count = np.bincount(rows, minlength=len(batch.ids))
    summed = np.bincount(rows, weights=losses, minlength=len(batch.ids))
    return summed.astype(np.float64), count
