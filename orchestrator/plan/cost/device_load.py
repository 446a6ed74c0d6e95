"""What a run asks of a device's memory: its models, the size of its batch, its images. Pure."""

from orchestrator.plan.cost.amount import BATCH_POSITIONS, Amount, images_per_sequence
from orchestrator.plan.cost.memory import Load
from orchestrator.spec.model import ModelConfig, VisionConfig
from orchestrator.spec.run import (
    Average,
    Evaluate,
    Filter,
    Finetune,
    ImageTextPretrain,
    RunConfig,
    TextPretrain,
    TowerPretrain,
)


def models_of(config: RunConfig) -> tuple[ModelConfig | None, VisionConfig | None]:
    """Return a run's decoder and encoder, as far as it has them."""
    if isinstance(config, TowerPretrain):
        return None, config.vision
    if isinstance(config, TextPretrain):
        return config.model, None
    return config.model, config.vision


def batch_sequences(config: RunConfig, work: Amount) -> int:
    """Return the sequences, rows or images of one batch, over all devices."""
    match config:
        case TowerPretrain():
            return config.batch_images
        case TextPretrain() | ImageTextPretrain():
            return config.batch_tokens // config.model.seq_len
        case Finetune():
            return config.batch_examples
        case Filter() | Average() | Evaluate():
            return max(1, BATCH_POSITIONS // work.length)


def load_of(config: RunConfig, work: Amount) -> Load:
    """Return what a device holds and works on in a run.

    Raises:
        PlanError: if an image does not fit a sequence.
    """
    model, vision = models_of(config)
    images = 1 if work.images else 0
    if isinstance(config, ImageTextPretrain) and images:
        images = images_per_sequence(config.model, config.vision)
    return Load(
        model=model,
        vision=vision,
        batch_sequences=batch_sequences(config, work),
        length=config.model.seq_len if isinstance(config, Finetune) else work.length,
        images_per_sequence=images,
        trains=work.steps > 0,
        compared=work.compared,
    )
