"""Vision transformers up to their second-to-last block, alone or side by side.

The layers inside are another library's; the blocks around them are ours, so that the names of
weights in checkpoints are the same whichever release of that library is installed.

Shapes in comments: M images, P patches, p side of a patch, S side of an image, R positions before
the patches (class token, registers), N = R + P, F feature width, H heads, K = F / H.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.architecture.tower import unpatch


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelScale:
    """How the pixels of each colour are normalised, of values in [0, 1]."""

    mean: tuple[float, float, float]
    """Taken off red, green and blue."""
    std: tuple[float, float, float]
    """Then divided by. Above 0."""

    def __call__(self, pixels: Tensor) -> Tensor:
        """Normalise pixels that are scaled to [-1, 1]: (M, 3, S, S) -> (M, 3, S, S)."""
        mean = pixels.new_tensor(self.mean)[:, None, None]  # (3, 1, 1)
        std = pixels.new_tensor(self.std)[:, None, None]
        return ((pixels + 1) / 2 - mean) / std


class VitBlock(nn.Module):
    """Attention over all positions and an MLP, each normalised before and added to what came in."""

    norm1: nn.Module
    query: nn.Module
    key: nn.Module
    value: nn.Module
    out: nn.Module
    scale1: nn.Module
    norm2: nn.Module
    mlp: nn.Module
    scale2: nn.Module

    def __init__(self, layers: Mapping[str, nn.Module], *, heads: int) -> None:
        """Take over the layers named above; `scale1` and `scale2` may be the identity."""
        super().__init__()
        self.heads = heads
        for name, layer in layers.items():
            self.add_module(name, layer)

    def forward(self, x: Tensor) -> Tensor:
        """Map (M, N, F) to (M, N, F)."""
        y = self.norm1(x)
        q, k, v = (
            layer(y).unflatten(-1, (self.heads, -1)).transpose(1, 2)  # (M, H, N, K)
            for layer in (self.query, self.key, self.value)
        )
        mixed = F.scaled_dot_product_attention(q, k, v)  # (M, H, N, K)
        x = x + self.scale1(self.out(mixed.transpose(1, 2).flatten(2)))  # (M, N, F)
        return x + self.scale2(self.mlp(self.norm2(x)))


class Vit(nn.Module):
    """One vision transformer; its features are what its last block here leaves, without a norm."""

    def __init__(
        self,
        *,
        embeddings: nn.Module,
        blocks: Iterable[VitBlock],
        patch_size: int,
        before_patches: int,
        pixel_scale: PixelScale,
    ) -> None:
        """Put a transformer together.

        Args:
            embeddings: from normalised pixels to positions, (M, 3, S, S) -> (M, N, F).
            blocks: all that features pass through.
            patch_size: p.
            before_patches: R; these positions are left out of the features.
            pixel_scale: the normalisation it was trained with.
        """
        super().__init__()
        self.embeddings = embeddings
        self.blocks = nn.ModuleList(blocks)
        self.patch_size = patch_size
        self.before_patches = before_patches
        self.pixel_scale = pixel_scale

    def forward(self, flat: Tensor) -> Tensor:
        """Map the pixels of patches, in [-1, 1], to features: (M, P, 3 p^2) -> (M, P, F)."""
        pixels = self.pixel_scale(unpatch(flat, self.patch_size))  # (M, 3, S, S)
        x = self.embeddings(pixels)  # (M, N, F)
        for block in self.blocks:
            x = block(x)
        return x[:, self.before_patches :]  # (M, P, F)


class PublishedTower(nn.Module):
    """Vision transformers that see the same patches; their features stand side by side."""

    def __init__(self, vits: Iterable[Vit]) -> None:
        super().__init__()
        self.vits = nn.ModuleList(vits)

    def forward(self, flat: Tensor) -> Tensor:
        """Map the pixels of patches to features, (M, P, 3 p^2) -> (M, P, F), in order of `vits`."""
        return torch.cat([vit(flat) for vit in self.vits], dim=-1)
