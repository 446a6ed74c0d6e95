"""Parameters and compute of a model, by arithmetic alone. Pure.

A test holds the counts against built models; `reference` shapes are OpenLM's. One multiply-add is
two FLOP; a backward pass costs twice its forward pass.
"""

from orchestrator.spec.model import Encoder, ModelConfig, Norm, Projector, VisionConfig

_TOWER_KERNEL = 9
"""Weights per input and output channel of a 3 x 3 convolution."""


def embedding_params(model: ModelConfig) -> int:
    """Parameters of the embedding and, unless tied, of the output layer."""
    return model.vocab_size * model.width * (1 if model.weight_tying else 2)


def body_params(model: ModelConfig) -> int:
    """Parameters of blocks and norms: the non-embedding count N of scaling laws."""
    per_norm = _norm_params(model)
    norms = model.depth * (2 + 2 * model.qk_norm) + 1
    return model.depth * _block_matrices(model) + norms * per_norm


def total_params(model: ModelConfig) -> int:
    """Parameters with embedding and output layer."""
    return body_params(model) + embedding_params(model)


def projector_params(model: ModelConfig, vision: VisionConfig) -> int:
    """Parameters between an encoder's features and the decoder, biases included."""
    first = vision.feature_width * model.width + model.width
    second = model.width * model.width + model.width
    return first if vision.projector is Projector.LINEAR else first + second


def token_flops(model: ModelConfig) -> float:
    """Forward FLOP per position: matrices, output layer, and attention over half the sequence."""
    matrices = model.depth * _block_matrices(model) + model.vocab_size * model.width
    attention = 2 * model.depth * model.width * model.seq_len / 2  # scores and their mixture
    return 2.0 * (matrices + attention)


def training_flops(model: ModelConfig, tokens: int) -> float:
    """FLOP of training a decoder on `tokens` positions: three forward passes' worth."""
    return 3.0 * token_flops(model) * tokens


def tower_flops(vision: VisionConfig) -> float:
    """Forward FLOP of the encoder per image; 0 for a bare patch projection."""
    if vision.encoder is Encoder.PATCH:
        return 0.0
    pixels, width, flops, channels = vision.image_size**2, vision.feature_width, 0.0, 3
    side = vision.patch_size
    while side > 1:  # the tower halves the resolution until one position is one patch
        flops += 2.0 * pixels * _TOWER_KERNEL * channels * width
        pixels, channels, side = pixels // 4, width, side // 2
    return flops


def _block_matrices(model: ModelConfig) -> int:
    attention = 4 * model.width * model.heads * model.head_width
    gated = 3 if model.ffn.value == "swiglu" else 2
    return attention + gated * model.width * model.ffn_width


def _norm_params(model: ModelConfig) -> int:
    if model.norm is Norm.NO_WEIGHT:
        return 0
    has_bias = model.norm in (Norm.DEFAULT, Norm.LP)
    return model.width * (2 if has_bias else 1)
