"""What the stages that train on next tokens share: the training loss and the held-out ones."""

from collections.abc import Callable

from torch import nn

from models.architecture.vlm import VisionLanguageModel
from models.data.batch import Batch
from models.data.captions import open_captions
from models.data.packing import check_room
from models.data.shards import open_token_shards
from models.data.validation import caption_batches, text_batches
from models.training.features import Features, open_features
from models.training.loss import NextToken
from models.training.sharding import is_sharded
from models.training.validation import POSITIONS_AT_ONCE, held_out_loss
from orchestrator.spec.execution import Device, Execution
from orchestrator.spec.run import Finetune, ImageTextPretrain, TextPretrain
from orchestrator.store.stage import Measure, StageContext


def next_token(
    context: StageContext,
    config: TextPretrain | ImageTextPretrain | Finetune,
    model: VisionLanguageModel,
    batches: Callable[[int], Batch],
    features: Features | None,
) -> NextToken:
    """Return the loss that training brings down."""
    return NextToken(
        model=model,
        batches=batches,
        features=features,
        execution=context.execution,
        z_loss=config.optimizer.z_loss,
        world=context.world,
        stride=_stride(config) if _has_idle_threads(context.execution) else None,
    )


def _stride(config: TextPretrain | ImageTextPretrain | Finetune) -> int:
    return config.batch_examples if isinstance(config, Finetune) else config.batch_tokens


def _has_idle_threads(execution: Execution) -> bool:
    """Return whether a batch can be made beside a step without taking the step's time."""
    return execution.device is Device.CUDA or execution.threads > 1


def check_held_out(
    context: StageContext, config: TextPretrain | ImageTextPretrain | Finetune
) -> None:
    """Refuse held-out data that cannot be measured on, before anything is trained.

    Raises:
        ConfigError: if an image leaves no room for text.
        DataError: if they are missing or damaged, or do not fit the model.
    """
    model = config.model
    if config.val_text is not None:
        open_token_shards(context.data(config.val_text), model.seq_len, model.vocab_size)
    if isinstance(config, ImageTextPretrain | Finetune) and config.val_captions is not None:
        check_room(model.seq_len, config.vision.image_tokens)
        open_captions(context.data(config.val_captions), model.vocab_size)


def held_out_losses(
    context: StageContext,
    model: nn.Module,
    config: TextPretrain | ImageTextPretrain | Finetune,
) -> tuple[Measure, ...]:
    """Measure the losses of the splits that are declared.

    Where weights were cut over processes the first one alone has the whole model, and measures.
    """
    if is_sharded(context.execution, context.world) and not context.world.is_first:
        return ()
    assert isinstance(model, VisionLanguageModel), "these stages train no other"
    T = config.model.seq_len
    at_once = max(1, POSITIONS_AT_ONCE // T)
    measures: list[Measure] = []
    model.eval()
    if config.val_text is not None:
        batches = text_batches(
            context.data(config.val_text),
            seq_len=T,
            sequences=at_once,
            vocab_size=config.model.vocab_size,
        )
        measures.append(held_out_loss("val_text_loss", model, batches, None, context.execution))
    if isinstance(config, ImageTextPretrain | Finetune) and config.val_captions is not None:
        batches = caption_batches(
            context.data(config.val_captions),
            seq_len=T,
            image_tokens=config.vision.image_tokens,
            sequences=at_once,
            vocab_size=config.model.vocab_size,
        )
        features = open_features(context, config.val_captions, config.vision, config.tower)
        loss = held_out_loss("val_caption_loss", model, batches, features, context.execution)
        measures.append(loss)
    return tuple(measures)
