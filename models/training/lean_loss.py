"""Cross-entropy and log-partition of many scores, without a further copy of them.

PyTorch's operations keep the log-softmax, and make the gradient beside the scores; the
log-partition adds more. Here the exponentials take the place of the scores, and the gradient takes
theirs, a few rows at a time.

Shapes in comments: N supervised targets, V vocabulary.
"""

from typing import Any, cast

import torch
from torch import Tensor

ROWS_AT_ONCE = 256
"""Rows that are read together, operation after operation."""


class _LeanLoss(torch.autograd.Function):
    """Both passes overwrite the scores."""

    @staticmethod
    def forward(ctx: Any, scores: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        chosen = scores.gather(1, targets[:, None]).squeeze(1)  # (N,)
        tops: list[Tensor] = []
        sums: list[Tensor] = []
        for rows in _pieces(scores):
            top = rows.amax(-1, keepdim=True)
            sums.append(rows.sub_(top).exp_().sum(-1))
            tops.append(top.squeeze(1))
        total = torch.cat(sums)  # (N,)
        partition = total.log().add_(torch.cat(tops))  # (N,)
        ctx.save_for_backward(scores, total, targets)
        return partition - chosen, partition  # (N,) each

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        of_nats, of_partition = grads  # (N,) each
        exponentials, total, targets = ctx.saved_tensors
        slopes = (of_nats + of_partition) / total  # (N,)
        wholes: tuple[Tensor, ...] = (exponentials, targets, slopes, of_nats)
        for rows, target, slope, nats in zip(*map(_pieces, wholes), strict=True):
            rows.mul_(slope[:, None])
            rows.scatter_add_(1, target[:, None], -nats[:, None])
        return exponentials, None


def _pieces(whole: Tensor) -> tuple[Tensor, ...]:
    return cast(tuple[Tensor, ...], whole.split(ROWS_AT_ONCE))


def lean_terms(scores: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Return each target's cross-entropy and the log-partition of its scores, (N,) each.

    The scores are lost, and the backward pass, which can be taken once, leaves the gradient where
    they were.

    Args:
        scores: fp32, (N, V), made by an operation whose backward pass does not read them.
        targets: classes, (N,), int64.
    """
    return cast(tuple[Tensor, Tensor], _LeanLoss.apply(scores, targets))
