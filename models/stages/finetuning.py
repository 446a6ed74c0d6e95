"""The stage `finetune`."""

from models.data.batch import Batch
from models.data.instructions import InstructionData
from models.stages.inheritance import inherit, with_tower
from models.stages.next_token import check_held_out, held_out_losses, next_token
from models.stages.start import config_of, placed, prepare
from models.training.features import open_features
from models.training.loop import train
from models.training.optimizer import build_optimizer
from models.training.training import Training
from orchestrator.errors import DataError
from orchestrator.spec.run import Finetune
from orchestrator.store.stage import StageContext, StageResult


def finetune(context: StageContext) -> StageResult:
    """Train decoder and projector on instructions, with a fresh optimizer.

    Raises:
        ConfigError: if the encoder's tower is not declared, or an image leaves no room for text.
        DataError: if the rows or images are missing, damaged, or not as many as declared.
        RecordError: if the parent or tower has no undamaged checkpoint, or is of another model.
    """
    config = config_of(context, Finetune)
    prepare(context)
    folder = context.data(config.instructions)
    data = InstructionData(
        folder,
        seq_len=config.model.seq_len,
        image_tokens=config.vision.image_tokens,
        seed=config.seed,
        vocab_size=config.model.vocab_size,
    )
    rows = len(data) + len(data.bad)
    if rows != config.examples:
        raise DataError(
            f"there are {rows} rows, but the study declares {config.examples} examples",
            where=str(folder),
            mend=f"declare {rows} examples, or the data set that was meant",
        )
    check_held_out(context, config)
    model = placed(with_tower(context, config), context)
    inherit(context.parent(config.parent), model, None)
    features = open_features(context, config.instructions, config.vision, config.tower)

    def batches(position: int) -> Batch:
        return data.batch(position, config.batch_examples)

    trained = train(
        Training(
            module=model,
            optimizer=build_optimizer(
                model, config.optimizer, tower_lr_scale=config.tower_lr_scale
            ),
            parts=next_token(context, config, model, batches, features),
            schedule=config.schedule,
            grad_clip=config.optimizer.grad_clip,
            guard=config.optimizer.guard,
            batch=config.batch_examples,
            end=config.steps * config.batch_examples,
            keep_optimizer=False,
        ),
        context,
    )
    return StageResult(
        measures=held_out_losses(context, trained.module, config),
        counts={
            "steps": config.steps,
            "examples": config.steps * config.batch_examples,
            "skipped_samples": len(data.bad),
            "truncated_rows": data.truncated,
            **trained.counters,
        },
    )
