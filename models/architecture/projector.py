"""From image features to image tokens, as Prismatic does (Karamcheti et al. 2024).

Shapes in comments: M images, P patches, F feature width, D width of the decoder.
"""

import math

import torch
from torch import nn

from orchestrator.spec.model import Projector


class LinearProjector(nn.Sequential):
    """One affine map; keys `0.*`."""

    def __init__(self, *, feature_width: int, width: int) -> None:
        super().__init__(nn.Linear(feature_width, width))


class MlpProjector(nn.Sequential):
    """Prismatic's `gelu-mlp`: two affine maps with an exact GELU between; keys `0.*`, `2.*`."""

    def __init__(self, *, feature_width: int, width: int) -> None:
        super().__init__(nn.Linear(feature_width, width), nn.GELU(), nn.Linear(width, width))


class FusedMlpProjector(nn.Sequential):
    """Prismatic's `fused-gelu-mlp`: three affine maps, F to 4 F to D to D; keys `0.*` to `4.*`."""

    def __init__(self, *, feature_width: int, width: int) -> None:
        hidden = 4 * feature_width
        super().__init__(
            nn.Linear(feature_width, hidden),
            nn.GELU(),
            nn.Linear(hidden, width),
            nn.GELU(),
            nn.Linear(width, width),
        )


PROJECTORS = {
    Projector.LINEAR: LinearProjector,
    Projector.MLP: MlpProjector,
    Projector.FUSED_MLP: FusedMlpProjector,
}
"""Modules by the names of the declaration."""


def build_projector(kind: Projector, *, feature_width: int, width: int) -> nn.Sequential:
    """Return a map (M, P, F) -> (M, P, D); its weights are yet to be drawn or loaded."""
    return PROJECTORS[kind](feature_width=feature_width, width=width)


@torch.no_grad()
def reset_affine(module: nn.Module, generator: torch.Generator) -> None:
    """Draw weights and biases of every affine and convolution layer below `module`.

    torch's own default, with a generator of ours: uniform within 1 / sqrt(inputs of one output).
    """
    for layer in module.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d):
            bound = 1 / math.sqrt(layer.weight[0].numel())
            for parameter in layer.parameters(recurse=False):
                nn.init.uniform_(parameter, -bound, bound, generator=generator)
