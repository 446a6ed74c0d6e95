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


def build_projector(kind: Projector, *, feature_width: int, width: int) -> nn.Sequential:
    """Return a map (M, P, F) -> (M, P, D); its weights are yet to be drawn or loaded."""
    projector = LinearProjector if kind is Projector.LINEAR else MlpProjector
    return projector(feature_width=feature_width, width=width)


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
