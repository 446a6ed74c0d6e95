"""What a run takes: steps, tokens, FLOP, bytes and hours of a device. Pure.

FLOP are exact for the decoder (matrices, output layer, causal attention; three forward passes in
training), and one forward pass per image for a frozen tower that is not read from stored features.
"""

from dataclasses import dataclass
from typing import assert_never

from orchestrator.plan.count import (
    body_params,
    projector_params,
    token_flops,
    total_params,
    tower_flops,
    training_flops,
)
from orchestrator.plan.plan import Cost
from orchestrator.spec.model import ModelConfig, VisionConfig
from orchestrator.spec.run import (
    Evaluate,
    Finetune,
    ImageTextPretrain,
    RunConfig,
    TextPretrain,
    TowerPretrain,
)

BYTES_PER_PARAMETER = 12
"""fp32 weight and AdamW's two moments."""

QUESTIONS_WITHOUT_LIMIT = 1_000
"""Assumed questions of a benchmark whose suite names no limit."""

POSITIONS_PER_QUESTION = 48
"""Assumed positions of a question with its answer, beside the image's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Throughput:
    """How fast one device works."""

    flops_per_second: float
    """Achieved FLOP per second of one device in training."""
    source: str
    """Where the number comes from, for people."""


ONE_CPU_SLOT = Throughput(
    flops_per_second=2.5e10,
    source="assumed: 25 GFLOP/s per CPU core, the order that models of 0.1 M parameters reach",
)
"""Used where nothing has been measured and no cluster is named."""


def cost(
    config: RunConfig, throughput: Throughput, *, begin_tokens: int, tokens_per_example: int
) -> Cost:
    """Return what a run takes beyond its parents.

    Args:
        config: what the run is.
        throughput: how fast a device works.
        begin_tokens: for a trunk segment, where it begins.
        tokens_per_example: for fine-tuning, mean positions of a row.
    """
    match config:
        case TowerPretrain():
            images = config.steps * config.batch_images
            flops = 3 * tower_flops(config.vision) * images
            return _cost(config, throughput, steps=config.steps, flops=flops)
        case TextPretrain():
            tokens = config.end_tokens - begin_tokens
            return _trained(config, throughput, tokens=tokens, batch=config.batch_tokens)
        case ImageTextPretrain():
            return _trained(config, throughput, tokens=config.tokens, batch=config.batch_tokens)
        case Finetune():
            tokens = config.steps * config.batch_examples * tokens_per_example
            batch = config.batch_examples * tokens_per_example
            return _trained(config, throughput, tokens=tokens, batch=batch)
        case Evaluate():
            limit = config.suite.limit or QUESTIONS_WITHOUT_LIMIT
            image_tokens = config.vision.image_tokens if config.vision else 0
            positions = POSITIONS_PER_QUESTION + image_tokens
            questions = limit * len(config.suite.benchmarks)
            flops = token_flops(config.model) * questions * positions
            return _cost(config, throughput, steps=0, flops=flops)
        case _:
            assert_never(config)


def _trained(
    config: TextPretrain | ImageTextPretrain | Finetune,
    throughput: Throughput,
    *,
    tokens: int,
    batch: int,
) -> Cost:
    image_tokens = 0
    if isinstance(config, ImageTextPretrain):
        sequences = tokens // config.model.seq_len
        image_tokens = round(sequences * config.image_ratio) * config.model.seq_len
    if isinstance(config, Finetune):
        image_tokens = tokens
    flops = training_flops(config.model, tokens)
    spent = _cost(config, throughput, steps=tokens // batch, flops=flops)
    return Cost(
        params=spent.params,
        params_total=spent.params_total,
        steps=spent.steps,
        tokens=tokens,
        image_tokens=image_tokens,
        flops=spent.flops,
        checkpoint_bytes=spent.params_total * BYTES_PER_PARAMETER,
        device_hours=spent.device_hours,
    )


def _cost(config: RunConfig, throughput: Throughput, *, steps: int, flops: float) -> Cost:
    params, params_total = (0, 0)
    if not isinstance(config, TowerPretrain):
        vision = None if isinstance(config, TextPretrain) else config.vision
        params, params_total = _params(config.model, vision)
    return Cost(
        params=params,
        params_total=params_total,
        steps=steps,
        tokens=0,
        image_tokens=0,
        flops=flops,
        checkpoint_bytes=0,
        device_hours=flops / throughput.flops_per_second / 3600,
    )


def _params(model: ModelConfig, vision: VisionConfig | None) -> tuple[int, int]:
    extra = projector_params(model, vision) if vision else 0
    return body_params(model) + extra, total_params(model) + extra
