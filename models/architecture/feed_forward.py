"""Feed-forward layers in OpenLM's parametrisation.

Shapes in comments: D width, E hidden width.
"""

import torch.nn.functional as F
from torch import Tensor, nn


class SwiGlu(nn.Module):
    """Gated feed-forward (Shazeer 2020, arXiv:2002.05202); `w12` holds the gate's rows first."""

    def __init__(self, *, width: int, hidden: int) -> None:
        super().__init__()
        self.w12 = nn.Linear(width, 2 * hidden, bias=False)
        self.w3 = nn.Linear(hidden, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map each position: (..., D) -> (..., D)."""
        gate, value = self.w12(x).chunk(2, -1)  # each (..., E)
        return self.w3(F.silu(gate) * value)  # (..., D)


class Gelu(nn.Sequential):
    """Two matrices with an exact GELU between; their keys are `0.weight` and `2.weight`."""

    def __init__(self, *, width: int, hidden: int) -> None:
        super().__init__(
            nn.Linear(width, hidden, bias=False), nn.GELU(), nn.Linear(hidden, width, bias=False)
        )
