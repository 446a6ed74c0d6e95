"""The fused loss is PyTorch's, value and gradient, in the format of the scores."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from models.training.fused_loss import fused_terms

pytestmark = pytest.mark.filterwarnings("default")  # compiling warns, each version of its own


def drawn(rows: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(rows)
    scores = (4 * torch.randn(rows, 50, generator=generator)).to(dtype)
    return scores.requires_grad_(), torch.randint(50, (rows,), generator=generator)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_value_and_gradient_are_those_of_the_plain_loss(dtype: torch.dtype) -> None:
    for rows in (7, 12, 1):  # the first is compiled for its own size, the next for any
        scores, targets = drawn(rows, dtype)
        nats, partition = fused_terms(scores, targets)
        exact = scores.float()
        expected = F.cross_entropy(exact, targets, reduction="none")
        torch.testing.assert_close(nats, expected)
        torch.testing.assert_close(partition, exact.logsumexp(-1))
        (found,) = torch.autograd.grad(nats.sum() + 0.1 * partition.square().sum(), scores)
        whole = expected.sum() + 0.1 * exact.logsumexp(-1).square().sum()
        (wanted,) = torch.autograd.grad(whole, scores)
        assert found.dtype == dtype
        torch.testing.assert_close(found, wanted)
