"""Rotary position embeddings, half-split as OpenLM's `rotary` (Su et al. 2021, arXiv:2104.09864).

Shapes in comments: B sequences, T positions, K width of a head.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

BASE = 10_000.0
"""Wavelengths run from 2 pi to nearly 2 pi times this; not configurable in OpenLM."""


@dataclass(frozen=True, slots=True)
class Rotation:
    """Tables for T positions: `cos`, and `sin` with the first half negated; fp32.

    Each is (T, K), or (B, 1, T, K) where rows have positions of their own.
    """

    cos: Tensor
    sin: Tensor


class RotaryEmbedding(nn.Module):
    """Holder of the frequencies, one key per layer in OpenLM's state dict.

    The tables are made in fp32 whatever the precision of the run: OpenLM under bf16 rounds them,
    which turns late positions by up to 2.5 rad.
    """

    inv_freq: Tensor

    def __init__(self, head_width: int) -> None:
        super().__init__()
        self.head_width = head_width
        self.register_buffer("inv_freq", torch.empty(head_width // 2))
        self.reset()

    def reset(self) -> None:
        """Compute the frequencies anew: BASE^(-2 i / K) for i = 0 .. K / 2 - 1."""
        powers = torch.arange(0, self.head_width, 2, device="cpu") / self.head_width
        self.inv_freq.copy_(1.0 / BASE**powers)

    def forward(self, start: int, length: int) -> Rotation:
        """Return the tables of positions `start .. start + length - 1`."""
        positions = torch.arange(
            start, start + length, device=self.inv_freq.device, dtype=torch.float32
        )
        return self._tables(positions)

    def at(self, places: Tensor) -> Rotation:
        """Return the tables of each row's own positions, (B, T)."""
        return self._tables(places[:, None].float())

    def _tables(self, positions: Tensor) -> Rotation:
        angles = positions[..., None] * self.inv_freq.float()  # (..., T, K / 2)
        cos, sin = angles.cos(), angles.sin()
        return Rotation(torch.cat((cos, cos), -1), torch.cat((-sin, sin), -1))  # each (..., T, K)


def rotate(x: Tensor, rotation: Rotation) -> Tensor:
    """Turn each pair (x[i], x[i + K / 2]) by its position's angle: (..., T, K) -> (..., T, K)."""
    swapped = torch.roll(x, x.shape[-1] // 2, -1)
    return x * rotation.cos + swapped * rotation.sin


def reset_rotary(module: nn.Module) -> None:
    """Compute every layer's frequencies anew, whatever a checkpoint held."""
    for rotary in module.modules():
        if isinstance(rotary, RotaryEmbedding):
            rotary.reset()
