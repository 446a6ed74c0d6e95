"""The lean loss is PyTorch's, value and gradient, and makes no further copy of the scores."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from models.training.lean_loss import ROWS_AT_ONCE, lean_terms


def both(z_loss: float, rows: int) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(rows, 8, generator=generator)
    weight = (3 * torch.randn(50, 8, generator=generator)).requires_grad_()
    targets = torch.randint(50, (rows,), generator=generator)
    scores = F.linear(hidden, weight)
    plain = F.cross_entropy(scores, targets, reduction="sum")
    plain = plain + z_loss * scores.logsumexp(-1).square().sum()
    (plain_gradient,) = torch.autograd.grad(plain, weight)
    nats, partition = lean_terms(F.linear(hidden, weight), targets)
    lean = (nats + z_loss * partition.square()).sum()
    (lean_gradient,) = torch.autograd.grad(lean, weight)
    return (plain, plain_gradient), (lean, lean_gradient)


@pytest.mark.parametrize("z_loss", [0.0, 1e-2])
@pytest.mark.parametrize("rows", [1, 7, ROWS_AT_ONCE + 3])
def test_value_and_gradient_are_those_of_the_plain_loss(z_loss: float, rows: int) -> None:
    plain, lean = both(z_loss, rows)
    for theirs, ours in zip(plain, lean, strict=True):  # sums of up to 259 fp32 terms
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-4)


def test_the_gradient_takes_the_place_of_the_scores() -> None:
    scores = torch.randn(5, 11, requires_grad=True)
    made = scores * 1.0
    place = made.data_ptr()
    places: list[int] = []

    def note(gradient: Tensor) -> None:
        places.append(gradient.data_ptr())

    made.register_hook(note)
    lean_terms(made, torch.zeros(5, dtype=torch.int64))[0].sum().backward()
    assert places == [place]
