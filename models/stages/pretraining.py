"""The stages `text_pretrain` and `image_text_pretrain`."""

import math
from collections.abc import Callable

from models.architecture.build import build_model
from models.data.batch import Batch
from models.data.pretraining import Counts, PretrainingData
from models.stages.inheritance import inherit, with_tower
from models.stages.mixed_data import image_features, mixed_data, read_source
from models.stages.next_token import check_held_out, held_out_losses, next_token
from models.stages.start import config_of, placed, prepare
from models.training.loop import train
from models.training.optimizer import build_optimizer
from models.training.training import Training
from orchestrator.spec.optimizer import OptimizerState
from orchestrator.spec.run import ImageTextPretrain, TextPretrain
from orchestrator.store.stage import StageContext, StageResult


def text_pretrain(context: StageContext) -> StageResult:
    """Train a decoder on text up to `end_tokens`, from the trunk's segment before or from scratch.

    Raises:
        DataError: if text is missing or damaged.
        RecordError: if the segment before has no undamaged checkpoint.
    """
    config = config_of(context, TextPretrain)
    prepare(context)
    T = config.model.seq_len
    data = PretrainingData(
        read_source(context, config.text, config.text_from),
        None,
        seq_len=T,
        vocab_size=config.model.vocab_size,
        seed=config.seed,
    )
    check_held_out(context, config)
    batches = _pretraining_batches(data, config)
    model = placed(build_model(config.model, None, config.seed), context)
    optimizer = build_optimizer(model, config.optimizer)
    previous = context.previous()
    before = None if previous is None else inherit(previous, model, optimizer)
    trained = train(
        Training(
            module=model,
            optimizer=optimizer,
            parts=next_token(context, config, model, batches, None),
            schedule=config.schedule,
            grad_clip=config.optimizer.grad_clip,
            guard=config.optimizer.guard,
            batch=config.batch_tokens,
            end=config.end_tokens,
            keep_optimizer=True,
            start=0 if before is None else before.position,
            counters={} if before is None else before.counters,
            recent=() if before is None else before.recent,
        ),
        context,
    )
    counts = _sequence_counts(data.counts(0, config.end_tokens // T), T)
    steps = config.end_tokens // config.batch_tokens
    return StageResult(
        measures=held_out_losses(context, trained.module, config),
        counts={"steps": steps, "tokens": config.end_tokens, **counts, **trained.counters},
    )


def image_text_pretrain(context: StageContext) -> StageResult:
    """Train decoder and projector on text, captioned images and instructions, mixed.

    It starts from a trunk or from scratch.

    Raises:
        ConfigError: if the encoder's tower is not declared, or an image leaves no room for text.
        DataError: if text, captions, instructions or images are missing or damaged.
        RecordError: if the trunk or tower has no undamaged checkpoint, or is of another model, or
            the filter's table is missing, damaged or of other captions.
    """
    config = config_of(context, ImageTextPretrain)
    prepare(context)
    T = config.model.seq_len
    data = mixed_data(context, config)
    check_held_out(context, config)
    batches = _pretraining_batches(data, config)
    model = placed(with_tower(context, config), context)
    optimizer = build_optimizer(model, config.optimizer, tower_lr_scale=config.tower_lr_scale)
    if config.trunk is not None:
        kept = optimizer if config.optimizer_state is OptimizerState.KEEP else None
        inherit(context.parent(config.trunk), model, kept)
    features = image_features(context, config, data)
    trained = train(
        Training(
            module=model,
            optimizer=optimizer,
            parts=next_token(context, config, model, batches, features),
            schedule=config.schedule,
            grad_clip=config.optimizer.grad_clip,
            guard=config.optimizer.guard,
            batch=config.batch_tokens,
            end=config.tokens,
            keep_optimizer=False,
        ),
        context,
    )
    reached = data.counts(0, config.tokens // T)
    counts = _sequence_counts(reached, T)
    counts["skipped_samples"] = data.skipped_samples
    counts["truncated_captions"] = data.truncated_captions
    if config.instruction_ratio > 0:
        counts["instruction_sequences"] = reached.instruction_sequences
        counts["instruction_passes"] = math.ceil(reached.instruction_epochs)
        counts["truncated_rows"] = data.truncated_rows
    steps = config.tokens // config.batch_tokens
    return StageResult(
        measures=held_out_losses(context, trained.module, config),
        counts={"steps": steps, "tokens": config.tokens, **counts, **trained.counters},
    )


def _pretraining_batches(
    data: PretrainingData, config: TextPretrain | ImageTextPretrain
) -> Callable[[int], Batch]:
    """Return the batch that begins at a token position, as a function of it."""
    T = config.model.seq_len
    return lambda position: data.batch(position // T, config.batch_tokens // T)


def _sequence_counts(counts: Counts, seq_len: int) -> dict[str, int]:
    return {
        "text_tokens": counts.text_sequences * seq_len,
        "image_tokens": counts.image_sequences * seq_len,
        "text_passes": math.ceil(counts.text_epochs),
        "caption_passes": math.ceil(counts.caption_epochs),
    }
