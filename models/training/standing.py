"""Where training stands: taken from checkpoints, kept in them, and set back to one of them."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from torch import Tensor

from models.architecture.vlm import VisionLanguageModel
from models.manifest import verify
from models.training import checkpoint, checkpoint_folders
from models.training.checkpoint import Checkpoint
from models.training.guard import Judge
from models.training.optimizer import load_state, state_tensors
from models.training.ranks import Ranks
from models.training.sharding import copied, copied_shares, gathered, is_sharded
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

    The first process removes what an earlier process left unfinished, or was found damaged.
    """
    checkpoints = context.folder.checkpoints
    newest = _newest_valid(checkpoints, ranks)
    own = None if newest is None else _read(training, context, ranks, newest)
    if ranks.world.is_first:
        latest = own.position if own else -1
        with context.holding():
            checkpoint_folders.clear(
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


def _newest_valid(checkpoints: Path, ranks: Ranks) -> Path | None:
    """Return the newest undamaged checkpoint of those that the first process sees."""
    for position in reversed(ranks.firsts(checkpoint_folders.positions(checkpoints))):
        damage = _damage(checkpoints / str(position), ranks)
        if damage is None:
            return checkpoints / str(position)
        checkpoint_folders.pass_over(damage)
    return None


def _damage(folder: Path, ranks: Ranks) -> RecordError | None:
    """Return what is wrong with a checkpoint; each process looks at a part of its files."""
    own: RecordError | None = None
    try:
        verify(folder, part=ranks.world.rank, parts=ranks.world.size)
    except RecordError as error:
        own = error
    return next((damage for damage in ranks.everyones(own) if damage is not None), None)


def save(
    training: Training, context: StageContext, ranks: Ranks, standing: Standing, *, beside: bool
) -> None:
    """Write a checkpoint, by all processes; the last one of a run is whole, for others to read.

    Args:
        training: what is trained.
        context: of the run.
        ranks: the processes.
        standing: how far it is.
        beside: whether to go on as soon as weights and state are copied, and write meanwhile.
    """
    standing.writer.wait()
    checkpoints, position = context.folder.checkpoints, standing.position
    first = ranks.world.is_first
    mesh = ranks.hosts if is_cut(training, context.execution, ranks.world) else None
    keeping = {
        "keep": CHECKPOINTS_KEPT,
        "also": _anchors(training, context, position),
        "holding": context.holding,
    }
    write: Callable[[], object] | None = None
    if mesh is not None and position < training.end:
        part = ranks.firsts(checkpoint_folders.begin(checkpoints, position) if first else None)
        content = _content(training, standing, partial(copied_shares, mesh=mesh))
        write = partial(checkpoint.save_shares, part, content, mesh, **keeping)
    elif mesh is not None:
        content = _content(training, standing, partial(gathered, keep=first))
    else:  # tensors change while they are written beside the steps
        content = _content(training, standing, copied if beside and first else dict[str, Tensor])
    if first and write is None:
        write = partial(checkpoint.save, checkpoints, content, **keeping)
    if beside and write is not None:
        standing.writer.start(write)
    elif write is not None:
        write()


def _content(
    training: Training,
    standing: Standing,
    copy: Callable[[Mapping[str, Tensor]], dict[str, Tensor]],
) -> Checkpoint:
    """Return what is to be written now, its tensors copied in a way that is given."""
    position = standing.position
    weights: dict[str, Tensor] = training.module.state_dict()
    state: dict[str, Tensor] | None = None
    if position < training.end or training.keep_optimizer:
        state = state_tensors(training.optimizer, training.module)
    return Checkpoint(
        step=position // training.batch,
        position=position,
        counters=dict(standing.counters),
        weights=copy(weights),
        optimizer=None if state is None else copy(state),
        recent=standing.judge.recent,
    )


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
    earlier = [p for p in checkpoint_folders.positions(checkpoints) if is_anchor(training, p)]
    target = max((p for p in earlier if p <= latest), default=training.start)
    folder = checkpoints / str(target)
    damage = _damage(folder, ranks)
    if damage is not None:
        raise RecordError(
            f"there is no undamaged checkpoint to go back to from a bad step ({damage.what})",
            where=damage.where,
            mend=f"remove {checkpoints}, so that the run starts anew",
        )
    saved = _read(training, context, ranks, folder)
    ranks.everyones(None)  # all have read before later ones go
    if ranks.world.is_first:
        with context.holding():
            checkpoint_folders.clear(
                checkpoints, keep=1, latest=target, also=_anchors(training, context, target)
            )
    _load(training, saved, where=str(folder))
    standing.judge = Judge(training.guard, saved.recent)
    return target


def _anchors(training: Training, context: StageContext, latest: int) -> list[int]:
    """Return where the checkpoints to rewind to lie, up to a position."""
    there = checkpoint_folders.positions(context.folder.checkpoints)
    return [p for p in there if p <= latest and is_anchor(training, p)][-ANCHORS_KEPT:]


def _read(training: Training, context: StageContext, ranks: Ranks, folder: Path) -> Checkpoint:
    """Read a checkpoint in each process: its shares, where the module is cut, else all."""
    if is_cut(training, context.execution, ranks.world):
        return checkpoint.read(folder, training.module, ranks.hosts)
    return checkpoint.read(folder)


def _load(training: Training, saved: Checkpoint, *, where: str) -> None:
    checkpoint.load_weights(training.module, saved.weights, where=where)
    if saved.position < training.end:
        load_state(training.optimizer, training.module, saved.optimizer, where=where)
