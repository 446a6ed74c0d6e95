"""Parameters and compute of vision towers, by arithmetic alone. Pure.

Tests hold the counts against the project's own tower and against small transformers of the
published kinds. Of a published tower, what its feature depends on is counted: as in Prismatic the
feature is the output of the second-to-last block, so the last block and the pooling head are not,
nor is the mask token that DINOv2 was trained with.
"""

from dataclasses import dataclass

from orchestrator.errors import PlanError
from orchestrator.spec.model import Encoder, VisionConfig

MIN_CHANNELS = 32
"""Channels of the project's own tower at least, as `models/architecture/tower.py` builds it."""

UNUSED_BLOCKS = 1
"""Blocks behind the feature (Karamcheti et al. 2024, arXiv:2402.07865)."""

CHANNELS = 3
"""Colours of a pixel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VitShape:
    """A vision transformer with biases and a plain two-layer feed-forward."""

    width: int
    """Activations per token."""
    depth: int
    """Blocks, unused ones included."""
    ffn_width: int
    """Hidden activations of the feed-forward layer."""
    patch_size: int
    """Side of a patch in pixels."""
    positions: int
    """Learned position vectors."""
    prefix: int = 0
    """Learned tokens before the patches: DINOv2's class token and registers."""
    scales: int = 0
    """Learned vectors that scale each block's residual outputs: 2 in DINOv2."""

    @property
    def used_depth(self) -> int:
        """Blocks that the feature depends on."""
        return self.depth - UNUSED_BLOCKS


@dataclass(frozen=True, slots=True)
class _Size:
    width: int
    depth: int
    ffn_width: int


_SIZES = {  # of the papers' tables: arXiv:2106.04560 and 2305.13035 (so400m), arXiv:2304.07193
    "small": _Size(384, 12, 1536),
    "base": _Size(768, 12, 3072),
    "large": _Size(1024, 24, 4096),
    "so400m": _Size(1152, 27, 4304),
}
_DINOV2_POSITIONS = 37**2 + 1
"""DINOv2's weights are of 518 pixels in patches of 14, with one position for the class token."""
_REGISTERS = 4
"""Of `dinov2-with-registers` (Darcet et al. 2024, arXiv:2309.16588)."""


@dataclass(frozen=True, slots=True)
class _Convolution:
    inputs: int
    outputs: int
    kernel: int
    side: int
    """Of the map that comes out, in pixels."""


def tower_params(vision: VisionConfig) -> int:
    """Return the parameters of an encoder; 0 for a bare patch projection.

    Raises:
        PlanError: if the shape of published weights is not known.
    """
    match vision.encoder:
        case Encoder.PATCH:
            return 0
        case Encoder.CNN:
            return sum(
                layer.inputs * layer.outputs * layer.kernel**2 + layer.outputs
                for layer in _convolutions(vision)
            )
        case Encoder.SIGLIP | Encoder.SIGLIP_DINOV2:
            return sum(vit_params(vit) for vit in vit_shapes(vision))


def tower_flops(vision: VisionConfig) -> float:
    """Return the forward FLOP of an encoder per image; 0 for a bare patch projection.

    Raises:
        PlanError: if the shape of published weights is not known.
    """
    match vision.encoder:
        case Encoder.PATCH:
            return 0.0
        case Encoder.CNN:
            return 2.0 * sum(
                layer.inputs * layer.outputs * layer.kernel**2 * layer.side**2
                for layer in _convolutions(vision)
            )
        case Encoder.SIGLIP | Encoder.SIGLIP_DINOV2:
            return sum(vit_flops(vit, vision.image_tokens) for vit in vit_shapes(vision))


def map_elements(vision: VisionConfig) -> int:
    """Return the elements of all maps of the project's own tower per image."""
    return sum(layer.outputs * layer.side**2 for layer in _convolutions(vision))


def vit_params(vit: VitShape) -> int:
    """Return the parameters of a vision transformer that its feature depends on."""
    width, hidden = vit.width, vit.ffn_width
    patches = CHANNELS * vit.patch_size**2 * width + width
    vectors = (vit.positions + vit.prefix) * width
    attention = 4 * (width * width + width)
    feed_forward = width * hidden + hidden + hidden * width + width
    norms = 2 * 2 * width
    block = attention + feed_forward + norms + vit.scales * width
    return patches + vectors + vit.used_depth * block


def vit_flops(vit: VitShape, patches: int) -> float:
    """Return the forward FLOP per image, up to the block that gives the feature."""
    width, tokens = vit.width, patches + vit.prefix
    embedding = patches * CHANNELS * vit.patch_size**2 * width
    matrices = tokens * (4 * width * width + 2 * width * vit.ffn_width)
    attention = 2 * tokens**2 * width  # scores and their mixture, over all tokens
    return 2.0 * (embedding + vit.used_depth * (matrices + attention))


def vit_shapes(vision: VisionConfig) -> tuple[VitShape, ...]:
    """Return the shapes behind an encoder's published weights, by their names.

    Raises:
        PlanError: if a name says neither its kind nor its size.
    """
    return tuple(_vit_shape(name, vision) for name in vision.weights)


def _vit_shape(name: str, vision: VisionConfig) -> VitShape:
    words = name.lower().rpartition("/")[2].replace("_", "-").split("-")
    sizes = [_SIZES[word] for word in words if word in _SIZES]
    if len(sizes) != 1 or not words[0].startswith(("siglip", "dinov2")):
        raise PlanError(
            f"the shape of the tower {name!r} is not known, so its cost cannot be counted",
            where="weights",
            mend=f"use weights named siglip or dinov2 with a size: {', '.join(_SIZES)}",
        )
    (size,) = sizes
    is_dino = words[0].startswith("dinov2")
    return VitShape(
        width=size.width,
        depth=size.depth,
        ffn_width=size.ffn_width,
        patch_size=vision.patch_size,
        positions=_DINOV2_POSITIONS if is_dino else vision.image_tokens,
        prefix=is_dino * (1 + ("registers" in words) * _REGISTERS),
        scales=2 * is_dino,
    )


def _convolutions(vision: VisionConfig) -> tuple[_Convolution, ...]:
    """Return the layers of `models/architecture/tower.py`: one for each factor of the patch."""
    strides = _prime_factors(vision.patch_size)
    layers: list[_Convolution] = []
    channels, side = CHANNELS, vision.image_size
    for index, stride in enumerate(strides):
        left = len(strides) - 1 - index
        outputs = max(MIN_CHANNELS, vision.feature_width >> left) if left else vision.feature_width
        side //= stride
        kernel = stride + 1 - stride % 2
        layers.append(_Convolution(channels, outputs, kernel, side))
        channels = outputs
    return tuple(layers)


def _prime_factors(number: int) -> tuple[int, ...]:
    """Return the prime factors in ascending order; 1 is itself."""
    factors: list[int] = []
    divisor = 2
    while number > 1:
        while number % divisor == 0:
            factors.append(divisor)
            number //= divisor
        divisor += 1
    return tuple(factors) or (1,)
