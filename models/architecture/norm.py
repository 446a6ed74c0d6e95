"""OpenLM's normalisation layers (`--model-norm`), under its state-dict names.

Shapes in comments: D width of what is normalised.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from orchestrator.spec.model import Norm

EPSILON = 1e-5
"""Added to the variance by every norm of OpenLM."""


class LowPrecisionLayerNorm(nn.LayerNorm):
    """Layer norm in autocast's own format: inputs and weights are cast down before it."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  (the name that nn.LayerNorm gives it)
        """Normalise the last dimension: (..., D) -> (..., D)."""
        device = input.device.type
        if not torch.is_autocast_enabled(device):
            return super().forward(input)
        dtype = torch.get_autocast_dtype(device)
        weight = self.weight.to(dtype)
        bias = None if self.bias is None else self.bias.to(dtype)  # pyright: ignore[reportUnnecessaryComparison]  (None where built without one)
        with torch.autocast(device, enabled=False):
            return F.layer_norm(input.to(dtype), self.normalized_shape, weight, bias, self.eps)


class RmsNorm(nn.Module):
    """Divide by the root mean square, computed in fp32, then scale in the input's format."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise the last dimension: (..., D) -> (..., D)."""
        exact = x.float()
        scale = torch.rsqrt(exact.square().mean(-1, keepdim=True) + EPSILON)  # (..., 1)
        return (exact * scale).type_as(x) * self.weight


def build_norm(norm: Norm, width: int) -> nn.Module:
    """Return a normalisation layer over the last dimension, of size `width`."""
    if norm is Norm.DEFAULT:
        return nn.LayerNorm(width, eps=EPSILON)
    if norm is Norm.GAIN_ONLY:
        return nn.LayerNorm(width, eps=EPSILON, bias=False)
    if norm is Norm.NO_WEIGHT:
        return nn.LayerNorm(width, eps=EPSILON, elementwise_affine=False)
    if norm is Norm.RMS:
        return RmsNorm(width)
    return LowPrecisionLayerNorm(width, eps=EPSILON, bias=norm is Norm.LP)


def casts_down(module: nn.Module) -> bool:
    """Return whether autocast takes all norms' weights below `module` in its own format."""
    return all(
        isinstance(norm, LowPrecisionLayerNorm) or not any(True for _ in norm.parameters())
        for norm in module.modules()
        if isinstance(norm, nn.LayerNorm | RmsNorm)
    )


def reset_norms(module: nn.Module) -> None:
    """Set every gain below `module` to one and every bias to zero."""
    for norm in module.modules():
        if isinstance(norm, nn.LayerNorm | RmsNorm):
            for name, parameter in norm.named_parameters(recurse=False):
                nn.init.constant_(parameter, 1.0 if name == "weight" else 0.0)
