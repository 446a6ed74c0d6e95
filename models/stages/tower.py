"""The stage `tower_pretrain`."""

from models.architecture.build import build_classifier
from models.data.scenes import open_scenes
from models.stages.start import config_of, prepare
from models.training.features import store_features
from models.training.loop import train
from models.training.loss import PatchClass
from models.training.optimizer import build_optimizer
from models.training.tower import parted, patch_accuracy, scene_order
from models.training.training import Training
from orchestrator.errors import ConfigError
from orchestrator.spec.model import Encoder
from orchestrator.spec.run import TowerPretrain
from orchestrator.store.stage import StageContext, StageResult


def tower_pretrain(context: StageContext) -> StageResult:
    """Train a vision tower to name what stands in each patch, and keep features of images.

    Raises:
        ConfigError: if the encoder has no tower.
        DataError: if scenes or images are missing or damaged.
    """
    config = config_of(context, TowerPretrain)
    device = prepare(context)
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
        world=context.world,
    )
    trained = train(
        Training(
            module=classifier,
            optimizer=build_optimizer(classifier, config.optimizer),
            parts=parts,
            schedule=config.schedule,
            grad_clip=config.optimizer.grad_clip,
            guard=config.optimizer.guard,
            batch=config.batch_images,
            end=config.steps * config.batch_images,
            keep_optimizer=False,
        ),
        context,
    )
    if not context.world.is_first:
        return StageResult(measures=(), counts={})  # the first process measures and stores
    accuracy = patch_accuracy(classifier.eval(), held_out, vision.patch_size, context.execution)
    tower = classifier.tower.cpu()
    stored = sum(store_features(context, source, vision, tower) for source in config.features_of)
    return StageResult(
        measures=(accuracy,),
        counts={"steps": config.steps, **trained.counters, "stored_images": stored},
    )
