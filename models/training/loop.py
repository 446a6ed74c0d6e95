"""The one training loop of all stages: next batch, forward, backward, step, report, save.

A batch is a function of the position alone, and weights and optimizer state are saved whole, so a
run that was stopped anywhere goes on as if it had not been: bit for bit on a CPU.
"""

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from models.architecture.vlm import VisionLanguageModel
from models.training import checkpoint
from models.training.checkpoint import Checkpoint
from models.training.loss import Part
from models.training.optimizer import load_state, state_tensors
from models.training.ranks import Ranks, joined
from models.training.sharding import gathered, is_sharded, outline, shard, total_norm
from orchestrator.spec.execution import Execution
from orchestrator.spec.parallel import Recompute
from orchestrator.spec.schedule import Schedule
from orchestrator.store.stage import DivergedError, Progress, StageContext, StoppedError

CHECKPOINT_SECONDS = 600.0
"""Between checkpoints nobody asked for: a killed job loses ten minutes at most, and a 17 GB
checkpoint, a minute to write and hash, takes a tenth of the time at most."""

CHECKPOINTS_KEPT = 2
"""While a run goes on: the newest, and the one to go back to if that is damaged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """What is trained, on what, and for how long."""

    module: nn.Module
    """On its device, with the weights to start from."""
    optimizer: torch.optim.Optimizer
    """With the state to start from."""
    parts: Callable[[int], Iterator[Part]]
    """The losses of the step at a position, one micro-batch after the other."""
    schedule: Schedule
    """Learning rate over positions."""
    grad_clip: float
    """Largest global L2 norm of the gradient."""
    batch: int
    """Positions of one step: tokens, examples or images."""
    end: int
    """Position to reach. A multiple of `batch`."""
    keep_optimizer: bool
    """Whether another run goes on from the final checkpoint's optimizer state."""
    start: int = 0
    """Position of `module` and `optimizer` as they are given. A multiple of `batch`."""
    counters: Mapping[str, int] = field(default_factory=dict[str, int])
    """What was counted up to `start`."""
    checkpoint_seconds: float = CHECKPOINT_SECONDS
    """Between checkpoints nobody asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """What training leaves."""

    module: nn.Module
    """Whole, on its device, in the first process. Elsewhere it may be a share."""
    counters: dict[str, int]
    """What was counted from position 0 to the end."""


def train(training: Training, context: StageContext) -> Trained:
    """Train up to `training.end`, leave the final checkpoint and no other.

    Goes on from the newest undamaged checkpoint in the run's own folder, if there is one.

    Raises:
        StoppedError: if asked to stop; a checkpoint is on disk.
        DivergedError: if the loss is no longer a number.
        RecordError: if the run's checkpoint is of another model.
    """
    with joined(context.world, context.execution) as ranks:
        position, counters = _resume(training, context, ranks)
        whole = _spread(training, context)
        _go_on(training, context, ranks, position, counters)
        if ranks.world.is_first:
            with context.holding():
                checkpoint.clear(context.folder.checkpoints, keep=1, latest=training.end)
        module = training.module
        if whole is not None:
            weights = gathered(module.state_dict(), keep=ranks.world.is_first)
            module = _filled(whole, weights, context) if ranks.world.is_first else module
        ranks.everyones(None)  # nobody leaves before all is written
    return Trained(module=module, counters=dict(counters))


def _spread(training: Training, context: StageContext) -> nn.Module | None:
    """Ready the module for many steps; if it is cut over processes, return its outline."""
    module, execution = training.module, context.execution
    if not isinstance(module, VisionLanguageModel):
        return None  # a tower is small
    module.decoder.recompute = execution.recompute is Recompute.BLOCKS
    whole = None
    if is_sharded(execution, context.world):
        whole = outline(module)
        shard(module, training.optimizer, execution)
    if execution.compile:
        for block in module.decoder.layers:
            block.compile()
    return whole


def _filled(whole: nn.Module, weights: dict[str, Tensor], context: StageContext) -> nn.Module:
    filled = whole.to_empty(device=torch.device(context.execution.device))
    filled.load_state_dict(weights)
    return filled


def _go_on(
    training: Training,
    context: StageContext,
    ranks: Ranks,
    position: int,
    counters: Counter[str],
) -> None:
    """Go from a position to the end, all processes in step."""
    context.resumed(position // training.batch)
    saved = time.monotonic()
    while position < training.end:
        context.report(_step(training, position, counters, ranks, context.execution))
        position += training.batch
        due = time.monotonic() - saved >= training.checkpoint_seconds
        told = ranks.everyones((context.stop_requested(), due))
        stopped, due = any(stop for stop, _ in told), any(due for _, due in told)
        if position == training.end or stopped or due:
            _save(training, context, position, counters)
            saved = time.monotonic()
        if stopped:
            ranks.everyones(None)  # the checkpoint is there before anybody leaves
            raise StoppedError(f"stopped at position {position} of {training.end}")


def _step(
    training: Training,
    position: int,
    counters: Counter[str],
    ranks: Ranks,
    execution: Execution,
) -> Progress:
    """Take the optimizer step at `position`."""
    sharded = is_sharded(execution, ranks.world) and isinstance(
        training.module, VisionLanguageModel
    )
    scale = ranks.world.size if sharded else 1  # FSDP takes the mean of gradients
    rate = training.schedule.learning_rate(position, training.batch)
    for group in training.optimizer.param_groups:
        group["lr"] = rate
    loss, counts = 0.0, Counter[str]()
    for part in training.parts(position):
        (part.objective * scale).backward()
        loss += part.loss.item()
        counts.update(part.counts)
    loss, summed = ranks.summed(loss, counts)
    counters.update(summed)
    step = position // training.batch + 1
    if not math.isfinite(loss):
        raise DivergedError(f"the loss is {loss} at step {step}, learning rate {rate:g}")
    if not sharded:
        ranks.sum_gradients(training.module)
    clipped = nn.utils.clip_grad_norm_(training.module.parameters(), training.grad_clip)
    norm = total_norm(clipped)
    if not math.isfinite(norm):  # a step would put it into the weights, and these into a checkpoint
        raise DivergedError(f"the gradient's norm is {norm} at step {step}, loss {loss:g}")
    training.optimizer.step()
    training.optimizer.zero_grad()
    return Progress(
        step=step,
        steps=training.end // training.batch,
        position=position + training.batch,
        loss=loss,
        values={"learning_rate": rate, "grad_norm": norm},
    )


def _resume(training: Training, context: StageContext, ranks: Ranks) -> tuple[int, Counter[str]]:
    """Load the run's own newest checkpoint, if there is one; return where to go on.

    The first process says which one it is: the others may find another one valid. It removes what
    an earlier process left unfinished, or was found damaged.
    """
    checkpoints = context.folder.checkpoints
    found = checkpoint.newest_valid(checkpoints) if ranks.world.is_first else None
    newest = ranks.firsts(found)
    own = None if newest is None else checkpoint.read(newest)
    if ranks.world.is_first:
        with context.holding():
            checkpoint.clear(checkpoints, keep=CHECKPOINTS_KEPT, latest=own.position if own else -1)
    if own is None:
        return training.start, Counter(training.counters)
    checkpoint.load_weights(training.module, own.weights, where=str(newest))
    if own.position < training.end:
        load_state(training.optimizer, training.module, own.optimizer, where=str(newest))
    return own.position, Counter(own.counters)


def _save(
    training: Training, context: StageContext, position: int, counters: Mapping[str, int]
) -> None:
    """Write a checkpoint; shares are put together for it, by all processes."""
    resumable = position < training.end or training.keep_optimizer
    first = context.world.is_first
    weights: Mapping[str, Tensor] = training.module.state_dict()
    state = state_tensors(training.optimizer, training.module) if resumable else None
    if is_sharded(context.execution, context.world):
        weights = gathered(weights, keep=first)
        state = None if state is None else gathered(state, keep=first)
    if not first:
        return
    checkpoint.save(
        context.folder.checkpoints,
        Checkpoint(
            step=position // training.batch,
            position=position,
            counters=counters,
            weights=weights,
            optimizer=state,
        ),
        keep=CHECKPOINTS_KEPT,
        holding=context.holding,
    )
