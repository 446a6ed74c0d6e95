"""The functions that the worker calls, one for each stage: a run in, its result out.

Each writes checkpoints and artifacts below `context.folder` and nothing else. Counts in a result
are of the whole run from position 0, however often it was stopped: `steps`, `tokens`,
`text_tokens` and `image_tokens` (positions of sequences of text and of captioned images),
`filled_tokens` (positions that are not padding), `supervised_tokens`, `images`, and
`text_passes` and `caption_passes`, the passes over a source that were begun.
"""

import importlib
import math
from collections.abc import Callable
from typing import TypeVar

import torch

from models.architecture.build import build_classifier, build_model
from models.architecture.vlm import VisionLanguageModel
from models.data.batch import Batch
from models.data.instructions import InstructionData
from models.data.pretraining import Counts, PretrainingData
from models.data.scenes import open_scenes
from models.data.validation import caption_batches, text_batches
from models.training import checkpoint
from models.training.features import (
    TOWER,
    Features,
    load_tower,
    open_features,
    store_features,
)
from models.training.loop import Training, train
from models.training.loss import NextToken, PatchClass
from models.training.optimizer import build_optimizer, load_state
from models.training.tower import parted, patch_accuracy, scene_order
from models.training.validation import POSITIONS_AT_ONCE, held_out_loss
from orchestrator.errors import ConfigError, DataError
from orchestrator.spec.execution import Device, Execution
from orchestrator.spec.model import Encoder
from orchestrator.spec.run import (
    Evaluate,
    Finetune,
    ImageTextPretrain,
    OptimizerState,
    RunConfig,
    TextPretrain,
    TowerPretrain,
)
from orchestrator.store.layout import RunFolder
from orchestrator.store.stage import Measure, StageContext, StageResult

PROJECTOR = "projector."
"""How the names of a projector's weights begin."""

Config = TypeVar("Config", bound=RunConfig)


def tower_pretrain(context: StageContext) -> StageResult:
    """Train a vision tower to name what stands in each patch, and keep features of images.

    Raises:
        ConfigError: if the encoder has no tower.
        DataError: if scenes or images are missing or damaged.
    """
    config = _config(context, TowerPretrain)
    device = _prepare(context.execution)
    vision = config.vision
    if vision.encoder is Encoder.PATCH:
        raise ConfigError("the encoder `patch` has no tower to train", "encoder", "give `cnn`")
    known, held_out = parted(open_scenes(context.data(config.scenes), vision.image_tokens))
    classifier = build_classifier(vision, known.classes, config.seed).to(device)
    parts = PatchClass(
        classifier=classifier,
        pixels=known.pixels,
        labels=known.labels,
        batches=scene_order(len(known.labels), batch=config.batch_images, seed=config.seed),
        patch_size=vision.patch_size,
        execution=context.execution,
    )
    counts = train(
        Training(
            module=classifier,
            optimizer=build_optimizer(classifier, config.optimizer),
            parts=parts,
            schedule=config.schedule,
            grad_clip=config.optimizer.grad_clip,
            batch=config.batch_images,
            end=config.steps * config.batch_images,
            keep_optimizer=False,
        ),
        context,
    )
    accuracy = patch_accuracy(classifier.eval(), held_out, vision.patch_size, context.execution)
    tower = classifier.tower.cpu()
    stored = sum(store_features(context, source, vision, tower) for source in config.features_of)
    return StageResult(
        measures=(accuracy,), counts={"steps": config.steps, **counts, "stored_images": stored}
    )


def text_pretrain(context: StageContext) -> StageResult:
    """Train a decoder on text up to `end_tokens`, from the trunk's segment before or from scratch.

    Raises:
        DataError: if text is missing or damaged.
        RecordError: if the segment before has no undamaged checkpoint.
    """
    config = _config(context, TextPretrain)
    device = _prepare(context.execution)
    T = config.model.seq_len
    data = PretrainingData(context.data(config.text), None, seq_len=T, seed=config.seed)
    batches = _pretraining_batches(data, config)
    model = build_model(config.model, None, config.seed).to(device)
    optimizer = build_optimizer(model, config.optimizer)
    previous = context.previous()
    before = None if previous is None else _inherit(previous, model, optimizer)
    counters = train(
        Training(
            module=model,
            optimizer=optimizer,
            parts=_next_token(context, config, model, batches, None),
            schedule=config.schedule,
            grad_clip=config.optimizer.grad_clip,
            batch=config.batch_tokens,
            end=config.end_tokens,
            keep_optimizer=True,
            start=0 if before is None else before.position,
            counters={} if before is None else before.counters,
        ),
        context,
    )
    counts = _sequence_counts(data.counts(0, config.end_tokens // T), T)
    steps = config.end_tokens // config.batch_tokens
    return StageResult(
        measures=_held_out_losses(context, model, config),
        counts={"steps": steps, "tokens": config.end_tokens, **counts, **counters},
    )


def image_text_pretrain(context: StageContext) -> StageResult:
    """Train decoder and projector on text and captioned images, from a trunk or from scratch.

    Raises:
        ConfigError: if the encoder's tower is not declared, or an image leaves no room for text.
        DataError: if text, captions or images are missing or damaged.
        RecordError: if the trunk or tower has no undamaged checkpoint, or is of another model.
    """
    config = _config(context, ImageTextPretrain)
    device = _prepare(context.execution)
    T = config.model.seq_len
    has_text, has_images = config.image_ratio < 1, config.image_ratio > 0
    data = PretrainingData(
        context.data(config.text) if has_text else None,
        context.data(config.captions) if has_images else None,
        seq_len=T,
        image_tokens=config.vision.image_tokens,
        image_ratio=config.image_ratio,
        seed=config.seed,
        text_start_sequences=config.text_start // T,
    )
    batches = _pretraining_batches(data, config)
    model = _with_tower(context, config).to(device)
    optimizer = build_optimizer(model, config.optimizer)
    if config.trunk is not None:
        kept = optimizer if config.optimizer_state is OptimizerState.KEEP else None
        _inherit(context.parent(config.trunk), model, kept)
    features = None
    if has_images:
        features = open_features(context, config.captions, config.vision, config.tower)
    counters = train(
        Training(
            module=model,
            optimizer=optimizer,
            parts=_next_token(context, config, model, batches, features),
            schedule=config.schedule,
            grad_clip=config.optimizer.grad_clip,
            batch=config.batch_tokens,
            end=config.tokens,
            keep_optimizer=False,
        ),
        context,
    )
    counts = _sequence_counts(data.counts(0, config.tokens // T), T)
    steps = config.tokens // config.batch_tokens
    return StageResult(
        measures=_held_out_losses(context, model, config),
        counts={"steps": steps, "tokens": config.tokens, **counts, **counters},
    )


def finetune(context: StageContext) -> StageResult:
    """Train decoder and projector on instructions, with a fresh optimizer.

    Raises:
        ConfigError: if the encoder's tower is not declared, or an image leaves no room for text.
        DataError: if the rows or images are missing, damaged, or not as many as declared.
        RecordError: if the parent or tower has no undamaged checkpoint, or is of another model.
    """
    config = _config(context, Finetune)
    device = _prepare(context.execution)
    folder = context.data(config.instructions)
    data = InstructionData(
        folder,
        seq_len=config.model.seq_len,
        image_tokens=config.vision.image_tokens,
        seed=config.seed,
    )
    if len(data) != config.examples:
        raise DataError(
            f"there are {len(data)} rows, but the study declares {config.examples} examples",
            where=str(folder),
            mend=f"declare {len(data)} examples, or the data set that was meant",
        )
    model = _with_tower(context, config).to(device)
    _inherit(context.parent(config.parent), model, None)
    features = open_features(context, config.instructions, config.vision, config.tower)

    def batches(position: int) -> Batch:
        return data.batch(position, config.batch_examples)

    counters = train(
        Training(
            module=model,
            optimizer=build_optimizer(model, config.optimizer),
            parts=_next_token(context, config, model, batches, features),
            schedule=config.schedule,
            grad_clip=config.optimizer.grad_clip,
            batch=config.batch_examples,
            end=config.steps * config.batch_examples,
            keep_optimizer=False,
        ),
        context,
    )
    return StageResult(
        measures=_held_out_losses(context, model, config),
        counts={
            "steps": config.steps,
            "examples": config.steps * config.batch_examples,
            "truncated_rows": data.truncated,
            **counters,
        },
    )


def evaluate(context: StageContext) -> StageResult:
    """Ask a trained model the benchmarks of one suite."""
    from models.evaluation.evaluate import evaluate as ask  # lm_eval takes seconds to import

    _config(context, Evaluate)
    _prepare(context.execution)
    return ask(context)


def warm_up() -> None:
    """Import what all stages need, so that a worker that forks for each run does it once."""
    importlib.import_module("models.evaluation.evaluate")
    importlib.import_module("models.evaluation.text")
    importlib.import_module("torch._inductor.config")  # by use_deterministic_algorithms, 2 s


def _config(context: StageContext, kind: type[Config]) -> Config:
    config = context.config
    if not isinstance(config, kind):
        raise ConfigError(
            f"the run is a {type(config).__name__}, the function is for a {kind.__name__}",
            where=str(context.folder.run_json),
            mend="name the function that belongs to the run's stage",
        )
    return config


def _prepare(execution: Execution) -> torch.device:
    """Set threads and, where it costs nothing, deterministic algorithms; return the device."""
    torch.set_num_threads(execution.threads)
    torch.use_deterministic_algorithms(execution.device is Device.CPU)
    torch.utils.deterministic.fill_uninitialized_memory = False  # pyright: ignore[reportAttributeAccessIssue]  (set by a property; filling would cost 3 % of a step)
    return torch.device(execution.device)


def _with_tower(context: StageContext, config: ImageTextPretrain | Finetune) -> VisionLanguageModel:
    """Build the model; a tower that is trained on starts where its own training ended."""
    model = build_model(config.model, config.vision, config.seed)
    if model.tower is not None and config.tower is not None:
        trained = load_tower(context.parent(config.tower), config.vision)
        model.tower.load_state_dict(trained.state_dict())
    return model


def _inherit(
    folder: RunFolder, model: VisionLanguageModel, optimizer: torch.optim.Optimizer | None
) -> checkpoint.Checkpoint:
    """Give a model the weights of a finished run, and its optimizer's state where one is given.

    Projector and tower stay as they are where that run had none.
    """
    saved = checkpoint.finished(folder)
    where = str(folder.checkpoints)
    checkpoint.load_weights(model, saved.weights, where=where, new=(PROJECTOR, TOWER))
    if optimizer is not None:
        load_state(optimizer, model, saved.optimizer, where=where)
    return saved


def _pretraining_batches(
    data: PretrainingData, config: TextPretrain | ImageTextPretrain
) -> Callable[[int], Batch]:
    """Return the batch that begins at a token position, as a function of it."""
    T = config.model.seq_len
    return lambda position: data.batch(position // T, config.batch_tokens // T)


def _next_token(
    context: StageContext,
    config: TextPretrain | ImageTextPretrain | Finetune,
    model: VisionLanguageModel,
    batches: Callable[[int], Batch],
    features: Features | None,
) -> NextToken:
    return NextToken(
        model=model,
        batches=batches,
        features=features,
        execution=context.execution,
        z_loss=config.optimizer.z_loss,
    )


def _held_out_losses(
    context: StageContext,
    model: VisionLanguageModel,
    config: TextPretrain | ImageTextPretrain | Finetune,
) -> tuple[Measure, ...]:
    """Measure the losses of the splits that are declared."""
    T = config.model.seq_len
    at_once = max(1, POSITIONS_AT_ONCE // T)
    measures: list[Measure] = []
    model.eval()
    if config.val_text is not None:
        batches = text_batches(context.data(config.val_text), seq_len=T, sequences=at_once)
        measures.append(held_out_loss("val_text_loss", model, batches, None, context.execution))
    if isinstance(config, ImageTextPretrain | Finetune) and config.val_captions is not None:
        batches = caption_batches(
            context.data(config.val_captions),
            seq_len=T,
            image_tokens=config.vision.image_tokens,
            sequences=at_once,
        )
        features = open_features(context, config.val_captions, config.vision, config.tower)
        loss = held_out_loss("val_caption_loss", model, batches, features, context.execution)
        measures.append(loss)
    return tuple(measures)


def _sequence_counts(counts: Counts, seq_len: int) -> dict[str, int]:
    return {
        "text_tokens": counts.text_sequences * seq_len,
        "image_tokens": counts.image_sequences * seq_len,
        "text_passes": math.ceil(counts.text_epochs),
        "caption_passes": math.ceil(counts.caption_epochs),
    }
