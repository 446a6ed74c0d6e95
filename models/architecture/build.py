"""Build a model from its declaration, with initial weights that depend on the seed alone.

Published weights of a tower that is trained on are read from where they lie.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch

from models.architecture.lm import build_decoder
from models.architecture.projector import build_projector, reset_affine
from models.architecture.published import load_published
from models.architecture.tower import ConvTower, TowerClassifier
from models.architecture.vlm import VisionLanguageModel
from models.data.tokenizer import IMAGE
from orchestrator.errors import ConfigError
from orchestrator.spec.model import PUBLISHED_WEIGHTS, Encoder, ModelConfig, VisionConfig


def build_model(
    model: ModelConfig,
    vision: VisionConfig | None,
    seed: int,
    published: Mapping[str, Path] | None = None,
) -> VisionLanguageModel:
    """Return a model with freshly drawn fp32 weights, on the CPU.

    Decoder, projector and tower are drawn independently: one seed gives one decoder, with vision
    or without. A tower with published weights starts from these, and is there only if it is
    trained.

    Args:
        model: the decoder.
        vision: how it sees images; None for a model of text alone.
        seed: of what is drawn.
        published: folders of published weights by hub name; the others are had from the hub.

    Raises:
        DataError: if published weights are missing or damaged.
        ConfigError: if they are not what `vision` declares.
    """
    built = _empty_model(model, vision).to_empty(device="cpu")
    built.decoder.initialise(generator(seed, "decoder"))
    if built.projector is not None:
        reset_affine(built.projector, generator(seed, "projector"))
    if isinstance(built.tower, ConvTower):
        built.tower.initialise(generator(seed, "tower"))
    if vision is not None and is_published(vision) and not vision.frozen:
        built.tower = load_published(vision, published or {})
    return built


def _empty_model(model: ModelConfig, vision: VisionConfig | None) -> VisionLanguageModel:
    """Return a model on the meta device, without a tower whose shape its weights tell."""
    drawn = vision is not None and not vision.frozen and not is_published(vision)
    with torch.device("meta"):
        return VisionLanguageModel(
            decoder=build_decoder(model),
            image_token=IMAGE,
            projector=None
            if vision is None
            else build_projector(
                vision.projector, feature_width=vision.feature_width, width=model.width
            ),
            tower=build_tower(vision) if vision is not None and drawn else None,
        )


def is_published(vision: VisionConfig) -> bool:
    """Return whether the encoder's weights are published ones, not the study's own."""
    return vision.encoder in PUBLISHED_WEIGHTS


def build_tower(vision: VisionConfig) -> ConvTower | None:
    """Return the study's own tower with undrawn weights; None if the pixels are the features.

    Raises:
        ConfigError: if the encoder's weights are published.
    """
    if vision.encoder is Encoder.PATCH:
        return None
    refuse_published(vision)
    return ConvTower(patch_size=vision.patch_size, feature_width=vision.feature_width)


def build_classifier(vision: VisionConfig, classes: int, seed: int) -> TowerClassifier:
    """Return a tower with a head for `classes`, with freshly drawn weights, on the CPU.

    Raises:
        ConfigError: if the encoder's weights are published.
    """
    refuse_published(vision)
    with torch.device("meta"):
        classifier = TowerClassifier(
            patch_size=vision.patch_size, feature_width=vision.feature_width, classes=classes
        )
    classifier = classifier.to_empty(device="cpu")
    reset_affine(classifier, generator(seed, "tower"))
    return classifier


def refuse_published(vision: VisionConfig) -> None:
    """Refuse an encoder that the study cannot train a tower of its own for.

    Raises:
        ConfigError: if the encoder's weights are published.
    """
    if is_published(vision):
        raise ConfigError(
            f"the encoder {vision.encoder} has published weights; tower_pretrain is for the "
            "study's own tower",
            where="encoder",
            mend="leave tower_pretrain out, or use the encoder `cnn`",
        )


def generator(seed: int, purpose: str) -> torch.Generator:
    """Return a source of random numbers that no other purpose or seed shares."""
    digest = hashlib.sha256(f"{seed}/{purpose}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big", signed=True))
