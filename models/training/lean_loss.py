"""Cross-entropy and z-loss of many scores, without a further copy of them.

PyTorch keeps the log-softmax and makes the gradient beside the scores, and the z-loss adds more;
here the gradient takes the place of the scores, a few rows at a time.

Shapes in comments: N supervised targets, V vocabulary.
"""

from typing import Any, cast

import torch
from torch import Tensor

LEAN_FROM = 1 << 26
"""Scores (N V) from which it is used: 256 MiB in fp32. Below, copies cost little, and PyTorch's own
functions keep the bits of small runs as they are."""

ROWS_AT_ONCE = 256
"""Rows whose probabilities exist at the same time: 50 MiB for 50,432 tokens in fp32."""


class _LeanLoss(torch.autograd.Function):
    """Cross-entropy and log-partition; the backward pass overwrites the scores."""

    @staticmethod
    def forward(ctx: Any, scores: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        pieces = cast(tuple[Tensor, ...], scores.split(ROWS_AT_ONCE))
        partition = torch.cat([rows.logsumexp(-1) for rows in pieces])  # (N,)
        chosen = scores.gather(1, targets[:, None]).squeeze(1)  # (N,)
        ctx.save_for_backward(scores, partition, targets)
        return partition - chosen, partition.clone()  # (N,) each

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        of_nats, of_partition = grads  # (N,) each
        scores, partition, targets = ctx.saved_tensors
        slopes = of_nats + of_partition  # (N,), of the log-partition
        wholes: tuple[Tensor, ...] = (scores, partition, targets, slopes, of_nats)
        pieces = [cast(tuple[Tensor, ...], whole.split(ROWS_AT_ONCE)) for whole in wholes]
        for rows, total, target, slope, nats in zip(*pieces, strict=True):
            rows.sub_(total[:, None]).exp_().mul_(slope[:, None])
            rows.scatter_add_(1, target[:, None], -nats[:, None])
        return scores, None


def lean_terms(scores: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Return each target's cross-entropy and the log-partition of its scores, (N,) each.

    The backward pass writes the gradient over `scores`: it can be taken once, and nothing else may
    read them afterwards.

    Args:
        scores: fp32, (N, V), made by an operation whose backward pass does not read them.
        targets: classes, (N,), int64.
    """
    return cast(tuple[Tensor, Tensor], _LeanLoss.apply(scores, targets))
