"""Parameters and compute of a decoder and its projector, by arithmetic alone. Pure.

A test holds the counts against built models and OpenLM's own. One multiply-add is two FLOP; a
backward pass costs twice its forward pass. Norms, activations and rotary positions are left out.
"""

from orchestrator.spec.model import FeedForward, ModelConfig, Norm, Projector, VisionConfig

TRAINING_PASSES = 3
"""Forward passes that one step of training costs: its own, and a backward pass of two."""

FUSED_FACTOR = 4
"""First hidden width of the fused projector, in feature widths (Prismatic's `fused-gelu-mlp`)."""


def embedding_params(model: ModelConfig) -> int:
    """Return the parameters of the embedding and, unless tied, of the output layer."""
    return model.vocab_size * model.width * (1 if model.weight_tying else 2)


def block_params(model: ModelConfig) -> int:
    """Return the parameters of one block, its norms included."""
    return _block_matrices(model) + (2 + 2 * model.qk_norm) * _norm_params(model)


def body_params(model: ModelConfig) -> int:
    """Return the parameters of blocks and norms: the non-embedding count N of scaling laws."""
    return model.depth * block_params(model) + (1 + model.post_embed_norm) * _norm_params(model)


def total_params(model: ModelConfig) -> int:
    """Return the parameters with embedding and output layer."""
    return body_params(model) + embedding_params(model)


def projector_params(model: ModelConfig, vision: VisionConfig) -> int:
    """Return the parameters between an encoder's features and the decoder, biases included."""
    return sum(into * out + out for into, out in _projector_layers(model, vision))


def projector_flops(model: ModelConfig, vision: VisionConfig) -> float:
    """Return the projector's forward FLOP per patch."""
    return 2.0 * sum(into * out for into, out in _projector_layers(model, vision))


def projector_hidden(model: ModelConfig, vision: VisionConfig) -> tuple[int, ...]:
    """Return the widths of the projector's hidden layers."""
    return tuple(out for _, out in _projector_layers(model, vision)[:-1])


def block_flops(model: ModelConfig) -> float:
    """Return the forward FLOP per position in all blocks' matrices; attention comes on top."""
    return 2.0 * model.depth * _block_matrices(model)


def attention_flops(model: ModelConfig) -> float:
    """Return the forward FLOP of attention per position and position of its sequence's length.

    Scores and their mixture, over half of the sequence: attention is causal.
    """
    return 2.0 * 2 * model.depth * model.width / 2


def output_flops(model: ModelConfig) -> float:
    """Return the forward FLOP of the output layer per position whose next token is scored."""
    return 2.0 * model.vocab_size * model.width


def token_flops(model: ModelConfig) -> float:
    """Return the forward FLOP per position of a full sequence in which all are scored."""
    return block_flops(model) + attention_flops(model) * model.seq_len + output_flops(model)


def training_flops(model: ModelConfig, tokens: int) -> float:
    """Return the FLOP of training a decoder on `tokens` positions of text."""
    return TRAINING_PASSES * token_flops(model) * tokens


def _block_matrices(model: ModelConfig) -> int:
    attention = 4 * model.width * model.heads * model.head_width
    matrices = 3 if model.ffn is FeedForward.SWIGLU else 2
    return attention + matrices * model.width * model.ffn_width


def _norm_params(model: ModelConfig) -> int:
    if model.norm is Norm.NO_WEIGHT:
        return 0
    has_bias = model.norm in (Norm.DEFAULT, Norm.LP)
    return model.width * (2 if has_bias else 1)


def _projector_layers(model: ModelConfig, vision: VisionConfig) -> tuple[tuple[int, int], ...]:
    """Return inputs and outputs of each affine map."""
    features, width = vision.feature_width, model.width
    match vision.projector:
        case Projector.LINEAR:
            return ((features, width),)
        case Projector.MLP:
            return ((features, width), (width, width))
        case Projector.FUSED_MLP:
            hidden = FUSED_FACTOR * features
            return ((features, hidden), (hidden, width), (width, width))
