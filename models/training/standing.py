"""Where training stands: taken from checkpoints, kept in them, and set back to one of them."""

from collections import Counter
from dataclasses import dataclass, field
from functools import partial

from torch import Tensor

from models.architecture.vlm import VisionLanguageModel
from models.manifest import verify
from models.training import checkpoint
from models.training.checkpoint import Checkpoint
from models.training.guard import Judge
from models.training.optimizer import load_state, state_tensors
from models.training.ranks import Ranks
from models.training.sharding import copied, gathered, is_sharded
from models.training.training import Training
from models.training.writer import Writer
from orchestrator.errors import RecordError
from orchestrator.spec.execution import Execution
from orchestrator.spec.guard import BadStep
from orchestrator.store.stage import StageContext
from orchestrator.store.world import World

CHECKPOINTS_KEPT = 2
"""While a run goes on: the newest, and the one to go back to if that is damaged."""

ANCHORS_KEPT = 2
"""Checkpoints to rewind to: a bad step may come right after the newest of them."""

LEFT_OUT = "left_out_steps"
"""Counts the steps whose batches moved nothing in the end."""
BAD = "bad_steps"
"""Counts the steps that would have harmed the model."""


@dataclass(slots=True)
class Standing:
    """How far training is, beside weights and optimizer state."""

    position: int
    """Of the next batch."""
    counters: Counter[str]
    """What was counted from position 0 on."""
    judge: Judge
    """Knows the good steps so far."""
    writer: Writer = field(default_factory=Writer)
    """Writes checkpoints beside the steps."""


def is_cut(training: Training, execution: Execution, world: World) -> bool:
    """Return whether the module is cut over processes; a tower is too small to be."""
    return is_sharded(execution, world) and isinstance(training.module, VisionLanguageModel)


def resume(training: Training, context: StageContext, ranks: Ranks) -> Standing:
    """Load the run's own newest checkpoint, if there is one; return where to go on.

    The first process says which one it is: the others may find another one valid. It removes what
    an earlier process left unfinished, or was found damaged.
    """
    checkpoints = context.folder.checkpoints
    found = checkpoint.newest_valid(checkpoints) if ranks.world.is_first else None
    newest = ranks.firsts(found)
    own = None if newest is None else checkpoint.read(newest)
    if ranks.world.is_first:
        latest = own.position if own else -1
        with context.holding():
            checkpoint.clear(
                checkpoints,
                keep=CHECKPOINTS_KEPT,
                also=_anchors(training, context, latest),
                latest=latest,
            )
    if own is None:
        judge = Judge(training.guard, training.recent)
        return Standing(training.start, Counter(training.counters), judge)
    _load(training, own, where=str(newest))
    return Standing(own.position, Counter(own.counters), Judge(training.guard, own.recent))


def save(training: Training, context: StageContext, standing: Standing, *, beside: bool) -> None:
    """Write a checkpoint; shares are put together for it, by all processes.

    Args:
        training: what is trained.
        context: of the run.
        standing: how far it is.
        beside: whether to go on as soon as weights and state are copied, and write meanwhile.
    """
    standing.writer.wait()
    position = standing.position
    resumable = position < training.end or training.keep_optimizer
    first = context.world.is_first
    weights: dict[str, Tensor] = training.module.state_dict()
    state = state_tensors(training.optimizer, training.module) if resumable else None
    if is_cut(training, context.execution, context.world):
        weights = gathered(weights, keep=first)
        state = None if state is None else gathered(state, keep=first)
    elif beside and first:  # they change while they are written
        weights, state = copied(weights), None if state is None else copied(state)
    if not first:
        return
    write = partial(
        checkpoint.save,
        context.folder.checkpoints,
        Checkpoint(
            step=position // training.batch,
            position=position,
            counters=dict(standing.counters),
            weights=weights,
            optimizer=state,
            recent=standing.judge.recent,
        ),
        keep=CHECKPOINTS_KEPT,
        also=_anchors(training, context, position),
        holding=context.holding,
    )
    if beside:
        standing.writer.start(write)
    else:
        write()


def is_anchor(training: Training, position: int) -> bool:
    """Return whether a run that may be set back keeps a checkpoint at a position."""
    if training.guard.bad_step is not BadStep.REWIND:
        return False
    return (
        position == training.start or position // training.batch % training.guard.rewind_steps == 0
    )


def rewind(training: Training, context: StageContext, ranks: Ranks, standing: Standing) -> int:
    """Set weights and optimizer back by at least `rewind_steps`, or to the start.

    The later checkpoints are removed: what was learned since is given up. The position stays.

    Returns:
        The position that weights and optimizer are of.

    Raises:
        RecordError: if the checkpoint to go back to is missing or damaged.
    """
    standing.writer.wait()
    checkpoints = context.folder.checkpoints
    latest = standing.position - training.guard.rewind_steps * training.batch
    earlier = [p for p in checkpoint.positions(checkpoints) if is_anchor(training, p)]
    target = max((p for p in earlier if p <= latest), default=training.start)
    folder = checkpoints / str(target)
    try:
        verify(folder)
    except RecordError as error:
        raise RecordError(
            f"there is no undamaged checkpoint to go back to from a bad step ({error.what})",
            where=error.where,
            mend=f"remove {checkpoints}, so that the run starts anew",
        ) from error
    saved = checkpoint.read(folder)
    ranks.everyones(None)  # all have read before later ones go
    if ranks.world.is_first:
        with context.holding():
            checkpoint.clear(
                checkpoints, keep=1, latest=target, also=_anchors(training, context, target)
            )
    _load(training, saved, where=str(folder))
    standing.judge = Judge(training.guard, saved.recent)
    return target


def _anchors(training: Training, context: StageContext, latest: int) -> list[int]:
    """Return where the checkpoints to rewind to lie, up to a position."""
    there = checkpoint.positions(context.folder.checkpoints)
    return [p for p in there if p <= latest and is_anchor(training, p)][-ANCHORS_KEPT:]


def _load(training: Training, saved: Checkpoint, *, where: str) -> None:
    checkpoint.load_weights(training.module, saved.weights, where=where)
    if saved.position < training.end:
        load_state(training.optimizer, training.module, saved.optimizer, where=where)
