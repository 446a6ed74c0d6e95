"""Peak memory of one device for a layout of a run, by arithmetic alone. Pure.

Weights, gradients and AdamW's moments stay in fp32; matrix products are in bf16 under autocast
(on CPU slots in fp32). Attention is a fused kernel (`scaled_dot_product_attention`), which keeps
no matrix of positions by positions but the mask of packed documents; AdamW is torch's fused one,
which makes no copies. Tests hold it against the live tensors of real steps of training.
"""

from dataclasses import dataclass

from orchestrator.plan.cost.count import (
    block_params,
    projector_hidden,
    projector_params,
    total_params,
)
from orchestrator.plan.cost.tower_count import CHANNELS, map_elements, tower_params, vit_shapes
from orchestrator.spec.execution import Precision
from orchestrator.spec.model import Encoder, FeedForward, ModelConfig, Norm, VisionConfig
from orchestrator.spec.parallel import Parallelism, Recompute, Sharding

GIB = 2**30
FP64_BYTES = 8
FP32_BYTES = 4
BF16_BYTES = 2

STATE_BYTES = 4 * FP32_BYTES
"""Of one trained parameter: weight, gradient, and AdamW's two moments."""

BUCKET_BYTES = FP32_BYTES
"""Of one trained parameter on several devices: DistributedDataParallel's buckets hold gradients a
second time, unless it is told `gradient_as_bucket_view` (torch's documentation)."""

GATHERED_BLOCKS = 2
"""Whole blocks at once under FSDP2: the one at work, and the next, gathered in the meantime."""

CAST_DOWN = (Norm.LP, Norm.GAIN_ONLY_LP, Norm.NO_WEIGHT)
"""With these norms all of a block's weights come together in the working precision; with others,
and outside the blocks, in fp32, of which autocast makes copies."""

SCATTERED_BYTES = BF16_BYTES + FP32_BYTES
"""Of one parameter whose gradient FSDP2 reduces: as the backward pass left it, and in fp32."""

ANSWER_BYTES = 2 * FP32_BYTES
"""Of one score of the vocabulary when a model is asked: the scores, and their log-softmax."""

COMPARED_BYTES = 2 * FP32_BYTES + 2 * FP64_BYTES
"""Of one number of the states that a Modality Integration Rate compares: the state and the copy
that is taken from it, and that in fp64 twice, without outliers and without the mean
(`models/evaluation/modality_gap.py`)."""

COMPARED_MATRICES = 6
"""Matrices of the model's width by its width, in fp64, that covariances and their roots take."""

BLOCK_WIDTHS = 6
"""Tensors of the model's width that a block keeps beside its norms': queries, keys and values as
projected, queries and keys as rotated, and what attention gives
(`models/architecture/attention.py`)."""

OVERHEAD_GIB = 2.0
"""Assumed for a GPU: CUDA's context, work space of cuBLAS and NCCL, and gaps in the allocator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What a device holds and works on, as far as its memory is concerned."""

    model: ModelConfig | None
    """The decoder; None for the training of a tower alone."""
    vision: VisionConfig | None
    """How images are seen; None if none is."""
    batch_sequences: int
    """Sequences (rows, images) of one batch, over all devices. At least 1."""
    length: int
    """Positions of the longest sequence. At least 1."""
    images_per_sequence: int = 0
    """Images whose features stand in one sequence."""
    trains: bool = True
    """Whether there are gradients and optimizer state."""
    compared: int = 0
    """Positions whose states are held at once to be compared; 0 where none are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Peak memory of one device, by what takes it, in bytes."""

    state: float
    """Weights, a frozen tower's too, and in training gradients and optimizer state."""
    copies: float
    """Weights in the working precision, cached or gathered, and gradients on their way."""
    activations: float
    """What the backward pass needs of a micro-batch; without one, the keys and values, or states
    that are compared."""
    logits: float
    """Scores of the vocabulary and what is made of them."""
    overhead: float
    """What the device's software takes."""

    @property
    def gib(self) -> float:
        """All of it in GiB."""
        parts = self.state + self.copies + self.activations + self.logits + self.overhead
        return parts / GIB


def peak_memory(load: Load, layout: Parallelism, precision: Precision) -> Memory:
    """Return the peak memory of each device.

    Args:
        load: what is held and worked on.
        layout: how; a run that does not train takes its whole batch on one device.
        precision: of matrix products; fp32 stands for a CPU slot, which has no overhead.

    Raises:
        PlanError: if the shape of published tower weights is not known.
    """
    number = FP32_BYTES if precision is Precision.FP32 else BF16_BYTES
    sequences = layout.micro_batch if load.trains else load.batch_sequences
    kept = _training_activations(load, layout, number) if load.trains else _cache(load, number)
    scores = load.model.vocab_size * load.length if load.model else 0
    score_bytes = training_score_bytes(precision) if load.trains else ANSWER_BYTES
    activations, logits = sequences * kept, sequences * scores * score_bytes
    compared = _compared(load)
    if compared > activations + logits:  # at another time than questions are answered
        activations, logits = compared, 0
    return Memory(
        state=_state(load, layout) + _frozen_params(load) * number,
        copies=_copies(load, layout, number),
        activations=float(activations),
        logits=float(logits),
        overhead=0.0 if precision is Precision.FP32 else OVERHEAD_GIB * GIB,
    )


def training_score_bytes(precision: Precision) -> int:
    """Return the bytes of one score of the vocabulary at the peak of a training step.

    The loss makes its gradient in the place of the fp32 scores (`models/training/lean_loss.py`);
    beside it stands what matrix products gave or take, if that is another format.
    """
    return FP32_BYTES if precision is Precision.FP32 else FP32_BYTES + BF16_BYTES


def trained_params(model: ModelConfig | None, vision: VisionConfig | None) -> int:
    """Return the parameters of decoder, projector and, unless it is frozen, tower."""
    params = total_params(model) if model else 0
    if vision and model:
        params += projector_params(model, vision)
    if vision and (not vision.frozen or model is None):
        params += tower_params(vision)
    return params


def block_bytes(model: ModelConfig, number: int) -> int:
    """Return what one block keeps of each position for the backward pass, in bytes.

    Args:
        model: the decoder.
        number: bytes of a number in matrix products: 2 for bf16 under autocast, 4 for fp32.
    """
    width, ffn_width = model.width, model.ffn_width
    hidden = 4 if model.ffn is FeedForward.SWIGLU else 2  # gate, value, SiLU, product; or GELU's
    norms = 2 * (_norm_bytes(model.norm, number) + number)  # what goes in and what comes out
    qk_norms = 2 * model.qk_norm * _qk_norm_bytes(model.norm, number)
    return width * (norms + qk_norms + BLOCK_WIDTHS * number) + ffn_width * hidden * number


def _state(load: Load, layout: Parallelism) -> float:
    params = trained_params(load.model, load.vision)
    if not load.trains:
        return float(params * FP32_BYTES)
    shards = layout.gpus if layout.sharding is Sharding.SHARDED else 1
    return params * STATE_BYTES / shards


def _frozen_params(load: Load) -> int:
    """Return the parameters of a frozen tower; the study's own is not there: it is stored."""
    vision = load.vision
    if vision is None or not vision.frozen or load.model is None or vision.encoder is Encoder.CNN:
        return 0
    return tower_params(vision)


def _copies(load: Load, layout: Parallelism, number: int) -> float:
    """Autocast caches each weight in bf16; FSDP2 gathers blocks, and the rest for the whole step.

    A gradient is whole before it is added to that of earlier micro-batches, or is scattered; with
    several devices that do not shard, gradients also lie in buckets.
    """
    params = trained_params(load.model, load.vision)
    cached = number if number < FP32_BYTES else 0
    if not load.trains:
        return float(cached * params)
    if layout.gpus == 1 or layout.sharding is Sharding.REPLICATED:
        buckets = BUCKET_BYTES if layout.gpus > 1 else 0
        return float((cached + buckets) * params + FP32_BYTES * _largest_matrix(load))
    block = block_params(load.model) if load.model else 0
    rest = params - block * (load.model.depth if load.model else 0)
    whole = FP32_BYTES + cached
    of_block = number if load.model and load.model.norm in CAST_DOWN else whole
    gathered = whole * rest + of_block * GATHERED_BLOCKS * block
    return float(gathered + SCATTERED_BYTES * max(rest, block))


def _largest_matrix(load: Load) -> int:
    if load.model is None:
        return 0
    into = 2 if load.model.ffn is FeedForward.SWIGLU else 1  # gate and value are one matrix
    return load.model.width * max(load.model.vocab_size, into * load.model.ffn_width)


def _training_activations(load: Load, layout: Parallelism, number: int) -> int:
    """Return what the backward pass needs of one sequence (of one image, without a decoder)."""
    images = _image_bytes(load, number)
    model = load.model
    if model is None:
        return images
    is_packed = load.images_per_sequence > 1  # each block makes numbers of the mask of documents
    block = block_bytes(model, number) + is_packed * load.length * number
    if layout.recompute is Recompute.BLOCKS:
        blocks = model.depth * FP32_BYTES * model.width + block
    else:
        blocks = model.depth * block
    kept = _norm_bytes(model.norm, number) + number  # the last norm's, and the output's input
    last = model.width * (kept + 2 * number)  # and their gradients, when the scores are at work
    first = model.post_embed_norm * model.width * _norm_bytes(model.norm, number)
    mask = is_packed * load.length  # of one byte
    return load.length * (first + blocks + last + mask) + images


def _cache(load: Load, number: int) -> int:
    """Return one sequence's keys and values in all blocks, and what one block works on."""
    model = load.model
    assert model is not None, "only a model with a decoder is asked"
    return load.length * (2 * model.depth * model.width * number + block_bytes(model, number))


def _compared(load: Load) -> int:
    """Return what comparing one layer's states takes, all at once."""
    if not load.compared:
        return 0
    assert load.model is not None, "states are those of a decoder"
    width = load.model.width
    return load.compared * width * COMPARED_BYTES + COMPARED_MATRICES * FP64_BYTES * width**2


def _image_bytes(load: Load, number: int) -> int:
    """Return what projector and trained tower keep of the images of one sequence."""
    vision, model = load.vision, load.model
    if vision is None or not load.images_per_sequence:
        return 0
    kept = 0
    if model is not None:
        features = vision.feature_width * (FP32_BYTES + number)  # as stored, and as multiplied
        hidden = 2 * number * sum(projector_hidden(model, vision))  # before and after each GELU
        kept += vision.image_tokens * (features + hidden)
    if not vision.frozen or model is None:
        kept += _tower_bytes(vision, number)
    return load.images_per_sequence * kept


def _tower_bytes(vision: VisionConfig, number: int) -> int:
    """Return what a trained tower keeps of one image: pixels, and its maps or tokens."""
    if vision.encoder is Encoder.PATCH:
        return 0
    kept = CHANNELS * vision.image_size**2 * FP32_BYTES
    if vision.encoder is Encoder.CNN:
        features = vision.image_tokens * vision.feature_width * FP32_BYTES  # as normalised
        return kept + features + 2 * number * map_elements(vision)  # before and after each GELU
    for vit in vit_shapes(vision):
        norms = 2 * (_norm_bytes(Norm.DEFAULT, number) + number)
        widths = norms + (5 + vit.scales) * number  # q, k, v, attention twice, what is scaled
        block = vit.width * widths + 2 * number * vit.ffn_width  # before and after the GELU
        kept += (vision.image_tokens + vit.prefix) * (vit.used_depth * block)
    return kept


def _norm_bytes(norm: Norm, number: int) -> int:
    """Return what a norm keeps of each activation that it is given in fp32.

    A low-precision norm casts down first; autocast runs the others in fp32. RMS also keeps what it
    has divided, for the gradient of its gain.
    """
    if norm in (Norm.LP, Norm.GAIN_ONLY_LP):
        return number
    return 2 * FP32_BYTES if norm is Norm.RMS else FP32_BYTES


def _qk_norm_bytes(norm: Norm, number: int) -> int:
    """Return what a norm keeps of each query or key beside the projection, which is kept anyway."""
    cast_up = FP32_BYTES if number < FP32_BYTES else 0
    if norm in (Norm.LP, Norm.GAIN_ONLY_LP):
        return 0
    return cast_up + (number if norm is Norm.RMS else 0)
