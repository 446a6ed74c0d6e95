"""Build a model from its declaration, with initial weights that depend on the seed alone. Pure."""

import hashlib

import torch

from models.architecture.lm import build_decoder
from models.architecture.projector import build_projector, reset_affine
from models.architecture.tower import ConvTower, TowerClassifier
from models.architecture.vlm import VisionLanguageModel
from models.data.tokenizer import IMAGE
from orchestrator.spec.model import Encoder, ModelConfig, VisionConfig


def build_model(model: ModelConfig, vision: VisionConfig | None, seed: int) -> VisionLanguageModel:
    """Return a model with freshly drawn fp32 weights, on the CPU.

    Decoder, projector and tower are drawn independently: one seed gives one decoder, with vision
    or without.
    """
    built = empty_model(model, vision).to_empty(device="cpu")
    built.decoder.initialise(generator(seed, "decoder"))
    if built.projector is not None:
        reset_affine(built.projector, generator(seed, "projector"))
    if built.tower is not None:
        built.tower.initialise(generator(seed, "tower"))
    return built


def empty_model(model: ModelConfig, vision: VisionConfig | None) -> VisionLanguageModel:
    """Return a model on the meta device: shapes and names without memory."""
    with torch.device("meta"):
        return VisionLanguageModel(
            decoder=build_decoder(model),
            image_token=IMAGE,
            projector=None
            if vision is None
            else build_projector(
                vision.projector, feature_width=vision.feature_width, width=model.width
            ),
            tower=None if vision is None or vision.frozen else build_tower(vision),
        )


def build_tower(vision: VisionConfig) -> ConvTower | None:
    """Return the encoder's tower with undrawn weights; None if the pixels are the features."""
    if vision.encoder is Encoder.PATCH:
        return None
    return ConvTower(patch_size=vision.patch_size, feature_width=vision.feature_width)


def build_classifier(vision: VisionConfig, classes: int, seed: int) -> TowerClassifier:
    """Return a tower with a head for `classes`, with freshly drawn weights, on the CPU."""
    with torch.device("meta"):
        classifier = TowerClassifier(
            patch_size=vision.patch_size, feature_width=vision.feature_width, classes=classes
        )
    classifier = classifier.to_empty(device="cpu")
    reset_affine(classifier, generator(seed, "tower"))
    return classifier


def generator(seed: int, purpose: str) -> torch.Generator:
    """Return a source of random numbers that no other purpose or seed shares."""
    digest = hashlib.sha256(f"{seed}/{purpose}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big", signed=True))
