"""What a model has from the runs before it."""

import torch

from models.architecture.build import build_model
from models.architecture.vlm import TOWER, VisionLanguageModel
from models.training import checkpoint
from models.training.features import load_tower
from models.training.optimizer import load_state
from models.training.weights import weights_folders
from orchestrator.spec.run import Finetune, ImageTextPretrain
from orchestrator.store.layout import RunFolder
from orchestrator.store.stage import StageContext

PROJECTOR = "projector."
"""How the names of a projector's weights begin."""


def with_tower(context: StageContext, config: ImageTextPretrain | Finetune) -> VisionLanguageModel:
    """Build the model; a tower that is trained on starts where its own training ended."""
    published = weights_folders(context, config.vision)
    model = build_model(config.model, config.vision, config.seed, published)
    if model.tower is not None and config.tower is not None:
        trained = load_tower(context.parent(config.tower), config.vision)
        model.tower.load_state_dict(trained.state_dict())
    return model


def inherit(
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
