"""What image-text pre-training reads: its sequences, and the features of the images in them."""

from pathlib import Path

from models.data.kept import read_kept
from models.data.kept_text import read_text
from models.data.mixture import Kind, Mixture
from models.data.pretraining import PretrainingData
from models.training.features import Features, open_features
from models.training.joined_features import JoinedFeatures
from orchestrator.spec.run import ImageTextPretrain
from orchestrator.spec.source import DataSource
from orchestrator.store.stage import StageContext


def mixed_data(context: StageContext, config: ImageTextPretrain) -> PretrainingData:
    """Open the sources that the ratios ask for, and no other.

    Raises:
        ConfigError: if an image leaves no room for text.
        DataError: if text, captions or instructions are missing or damaged.
        RecordError: if the filter's table is missing, damaged or of other captions.
    """
    mixture = Mixture(image_ratio=config.image_ratio, instruction_ratio=config.instruction_ratio)
    folders = {
        kind: read_source(context, source, chosen_by)
        for kind, source, chosen_by in (
            (Kind.TEXT, config.text, config.text_from),
            (Kind.CAPTIONS, config.captions, None),
            (Kind.INSTRUCTIONS, config.instructions, None),
        )
        if mixture.uses(kind) and source is not None
    }
    kept = None
    if config.captions_from is not None and mixture.uses(Kind.CAPTIONS):
        kept = read_kept(context.parent(config.captions_from), config.captions)
    return PretrainingData(
        folders.get(Kind.TEXT),
        folders.get(Kind.CAPTIONS),
        folders.get(Kind.INSTRUCTIONS),
        seq_len=config.model.seq_len,
        vocab_size=config.model.vocab_size,
        image_tokens=config.vision.image_tokens,
        image_ratio=config.image_ratio,
        instruction_ratio=config.instruction_ratio,
        seed=config.seed,
        text_seed=config.text_seed,
        text_start_sequences=config.text_start // config.model.seq_len,
        kept=kept,
    )


def read_source(context: StageContext, source: DataSource, text_from: str | None) -> Path:
    """Return the folder of a source, or of the documents of it that a filter's run keeps.

    Raises:
        DataError: if it is not there.
        RecordError: if what the filter has written is missing, damaged or of another source.
    """
    if text_from is None:
        return context.data(source)
    return read_text(context.parent(text_from), source)


def image_features(
    context: StageContext, config: ImageTextPretrain, data: PretrainingData
) -> Features | None:
    """Return the features of all images in the batches, numbered as there; None without images."""
    vision, tower = config.vision, config.tower
    captions = instructions = None
    if data.mixture.uses(Kind.CAPTIONS):
        captions = open_features(context, config.captions, vision, tower)
    if data.mixture.uses(Kind.INSTRUCTIONS) and config.instructions is not None:
        instructions = open_features(context, config.instructions, vision, tower)
    if captions is not None and instructions is not None:
        return JoinedFeatures(captions, instructions, data.caption_images)
    return captions or instructions
