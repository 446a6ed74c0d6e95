"""Vision towers: what turns the pixels of an image into one feature vector for each patch.

Shapes in comments: M images, P patches, p side of a patch, S side of an image, G = S / p, C
channels, F feature width, L classes.
"""

from math import isqrt

import numpy as np
import torch
from torch import Tensor, nn

from models.architecture.projector import reset_affine

MIN_CHANNELS = 32
"""Channels of the first, largest maps; fewer did not read shapes (an assumption, not tuned)."""


def patches(pixels: np.ndarray, patch_size: int) -> Tensor:
    """Cut images into patches, scaled to [-1, 1].

    Args:
        pixels: uint8, (M, S, S, 3).
        patch_size: p, which divides S.

    Returns:
        The values of each patch, row by row with the colour last, fp32, (M, P, 3 p^2).
    """
    M, S, _, _ = pixels.shape
    G = S // patch_size
    grid = torch.from_numpy(pixels).view(M, G, patch_size, G, patch_size, 3)  # (M, G, p, G, p, 3)
    flat = grid.transpose(2, 3).reshape(M, G * G, 3 * patch_size**2)  # (M, P, 3 p^2)
    return flat.float().div_(127.5).sub_(1.0)


def unpatch(flat: Tensor, patch_size: int) -> Tensor:
    """Put patches together again, colours first: (M, P, 3 p^2) -> (M, 3, S, S)."""
    M, P, _ = flat.shape
    G = isqrt(P)
    grid = flat.view(M, G, G, patch_size, patch_size, 3)
    return grid.permute(0, 5, 1, 3, 2, 4).reshape(M, 3, G * patch_size, G * patch_size)


class ConvTower(nn.Module):
    """Strided convolutions down to one feature vector for each patch.

    One convolution for each prime factor of the patch size, so that 16 halves the image four times
    and 14 takes strides of 2 and 7. Features leave with zero mean and unit variance, and with a
    code of the patch's place added: those of a vision transformer know their place, too.
    """

    def __init__(self, *, patch_size: int, feature_width: int) -> None:
        super().__init__()
        self.patch_size = patch_size
        strides = prime_factors(patch_size)
        layers: list[nn.Module] = []
        channels = 3
        for index, stride in enumerate(strides):
            wider = max(MIN_CHANNELS, feature_width >> (len(strides) - 1 - index))
            out = feature_width if index == len(strides) - 1 else wider
            kernel = stride + 1 - stride % 2  # odd, so that the padding is the same on both sides
            layers += [nn.Conv2d(channels, out, kernel, stride, kernel // 2), nn.GELU()]
            channels = out
        self.layers = nn.Sequential(*layers)
        self.norm = nn.LayerNorm(feature_width, elementwise_affine=False)

    def forward(self, flat: Tensor) -> Tensor:
        """Map the pixels of patches to features: (M, P, 3 p^2) -> (M, P, F)."""
        maps = self.layers(unpatch(flat, self.patch_size))  # (M, F, G, G)
        features = self.norm(maps.flatten(2).transpose(1, 2))  # (M, P, F)
        return features + place_code(maps.shape[-1], maps.shape[1]).to(features)

    def initialise(self, generator: torch.Generator) -> None:
        """Draw the weights."""
        reset_affine(self, generator)


class TowerClassifier(nn.Module):
    """A tower that names what stands in each patch; the head is left behind after training."""

    def __init__(self, *, patch_size: int, feature_width: int, classes: int) -> None:
        super().__init__()
        self.tower = ConvTower(patch_size=patch_size, feature_width=feature_width)
        self.head = nn.Linear(feature_width, classes)

    def forward(self, flat: Tensor) -> Tensor:
        """Score the classes of each patch: (M, P, 3 p^2) -> (M, P, L), fp32."""
        return self.head(self.tower(flat)).float()


def place_code(side: int, feature_width: int) -> Tensor:
    """Return a fixed code of each place in a grid, which no two places share.

    Half of it is of the row, half of the column: sine and cosine of pi k (i + 1/2) / G for
    k = 1 ... F / 4, the waves of a discrete cosine transform over the grid.

    Args:
        side: G.
        feature_width: F, a multiple of 4.

    Returns:
        Values in [-1, 1], row by row, (G^2, F).
    """
    k = torch.arange(1, feature_width // 4 + 1)
    angle = torch.pi * (torch.arange(side)[:, None] + 0.5) / side * k  # (G, F / 4)
    line = torch.cat([angle.sin(), angle.cos()], dim=1)  # (G, F / 2)
    rows = line[:, None].expand(side, side, -1)
    columns = line[None].expand(side, side, -1)
    return torch.cat([rows, columns], dim=2).flatten(0, 1)  # (G^2, F)


def prime_factors(number: int) -> tuple[int, ...]:
    """Return the prime factors in ascending order: 14 is 2 and 7; 1 is itself."""
    factors: list[int] = []
    divisor = 2
    while number > 1:
        while number % divisor == 0:
            factors.append(divisor)
            number //= divisor
        divisor += 1
    return tuple(factors) or (1,)
