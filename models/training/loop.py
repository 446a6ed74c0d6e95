"""The one training loop of all stages: next batch, forward, backward, step, report, save.

A batch is a function of the position alone, and weights and optimizer state are saved whole, so a
run that was stopped anywhere goes on as if it had not been: bit for bit on a CPU.
"""

import logging
import time
from collections import Counter
from typing import cast

import torch
from torch import Tensor, nn

from models.architecture.vlm import VisionLanguageModel
from models.training import checkpoint_folders
from models.training.optimizer import set_learning_rate
from models.training.ranks import Ranks, joined
from models.training.sharding import gathered, is_sharded, outline, shard, total_norm
from models.training.standing import (
    BAD,
    LEFT_OUT,
    Standing,
    is_anchor,
    is_cut,
    resume,
    rewind,
    save,
)
from models.training.training import Trained, Training
from orchestrator.spec.execution import Device, Execution
from orchestrator.spec.guard import BadStep
from orchestrator.spec.parallel import Recompute
from orchestrator.store.stage import DivergedError, Progress, StageContext, StoppedError

log = logging.getLogger(__name__)


def train(training: Training, context: StageContext) -> Trained:
    """Train up to `training.end`, leave the final checkpoint and no other.

    Goes on from the newest undamaged checkpoint in the run's own folder, if there is one.

    Raises:
        StoppedError: if asked to stop; a checkpoint is on disk.
        DivergedError: if a step is bad, and `training.guard` does not forgive it.
        RecordError: if the run's checkpoint is of another model, or one to go back to is damaged.
    """
    with joined(context.world, context.execution) as ranks:
        whole = _spread(training, context)
        standing = resume(training, context, ranks)
        try:
            _go_on(training, context, ranks, standing)
        finally:
            standing.writer.wait()
        if ranks.world.is_first:
            with context.holding():
                checkpoint_folders.clear(context.folder.checkpoints, keep=1, latest=training.end)
        module = training.module
        if whole is not None:
            weights = gathered(module.state_dict(), keep=ranks.world.is_first)
            module = _filled(whole, weights, context) if ranks.world.is_first else module
        ranks.everyones(None)  # nobody leaves before all is written
    return Trained(module=module, counters=dict(standing.counters))


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
        module.decoder.compile_blocks()
    return whole


def _filled(whole: nn.Module, weights: dict[str, Tensor], context: StageContext) -> nn.Module:
    filled = whole.to_empty(device=torch.device(context.execution.device))
    filled.load_state_dict(weights)
    return filled


def _go_on(training: Training, context: StageContext, ranks: Ranks, standing: Standing) -> None:
    """Go from a position to the end, all processes in step."""
    context.resumed(standing.position // training.batch)
    if is_anchor(training, standing.position):
        save(training, context, ranks, standing, beside=True)
    saved = time.monotonic()
    parameters = list(training.module.parameters())  # looked up once: a small model's step notices
    while standing.position < training.end:
        context.report(_step(training, context, ranks, standing, parameters))
        standing.writer.check()
        position = standing.position
        due = time.monotonic() - saved >= training.checkpoint_seconds
        told = ranks.everyones((context.stop_requested(), due))
        stopped, due = any(stop for stop, _ in told), any(due for _, due in told)
        last = position == training.end or stopped
        if last or due or is_anchor(training, position):
            save(training, context, ranks, standing, beside=not last)
            saved = time.monotonic()
        if stopped:
            ranks.everyones(None)  # the checkpoint is there before anybody leaves
            raise StoppedError(f"stopped at position {position} of {training.end}")


def _step(
    training: Training,
    context: StageContext,
    ranks: Ranks,
    standing: Standing,
    parameters: list[nn.Parameter],
) -> Progress:
    """Take the optimizer step at a position, or answer for a bad one; go to the next position."""
    position, step = standing.position, standing.position // training.batch + 1
    rate = training.schedule.learning_rate(position, training.batch)
    rates = set_learning_rate(training.optimizer, rate)
    loss, by_kind = _differentiate(training, standing, ranks, context.execution)
    norm = total_norm(nn.utils.clip_grad_norm_(parameters, training.grad_clip))
    values = {**rates, "grad_norm": norm, **by_kind}
    # All processes judge alike: loss and gradient are the same sums on each.
    fault = standing.judge.fault(loss, norm)
    if fault is None:
        training.optimizer.step()
    else:
        fault = f"{fault} at step {step}, learning rate {rate:g}"
        values["left_out_steps"] = _forgive(training, context, ranks, standing, fault)
    training.optimizer.zero_grad()
    standing.position += training.batch
    return Progress(
        step=step,
        steps=training.end // training.batch,
        position=standing.position,
        loss=loss,
        values=values,
        device_memory_mib=_device_memory_mib(context.execution),
    )


def _device_memory_mib(execution: Execution) -> float | None:
    if execution.device is not Device.CUDA:
        return None
    return torch.cuda.max_memory_allocated() / 2**20


def _differentiate(
    training: Training, standing: Standing, ranks: Ranks, execution: Execution
) -> tuple[float, dict[str, float]]:
    """Give parameters the gradient of the whole batch; return its loss, and that of each kind."""
    is_shared = is_cut(training, execution, ranks.world)
    scale = ranks.world.size if is_shared else 1  # FSDP takes the mean of gradients
    loss, counts = 0.0, Counter[str]()
    nats, targets = dict[str, float](), Counter[str]()
    found: list[tuple[Tensor, dict[str, int]]] = []
    for part in training.parts(standing.position):
        (part.objective * scale).backward()
        sums = torch.stack([part.loss, *(kind.nats for kind in part.kinds.values())])
        found.append((sums, {name: kind.targets for name, kind in part.kinds.items()}))
        counts.update(part.counts)
    for sums, kinds in found:  # the device is waited for once, when it has all to do
        own, *of_kinds = cast(list[float], sums.tolist())
        loss += own
        targets.update(kinds)
        for name, value in zip(kinds, of_kinds, strict=True):
            nats[name] = nats.get(name, 0.0) + value
    total, counts, nats, targets = ranks.summed({"loss": loss}, counts, nats, targets)
    standing.counters.update({name: int(count) for name, count in counts.items()})
    if not is_shared:
        ranks.sum_gradients(training.module)
    return total["loss"], {f"{name}_loss": nats[name] / targets[name] for name in sorted(nats)}


def _forgive(
    training: Training, context: StageContext, ranks: Ranks, standing: Standing, fault: str
) -> int:
    """Leave a bad step out, and those before it that are to be undone; return how many.

    Raises:
        DivergedError: if it is one too many, or none is forgiven.
    """
    guard = training.guard
    if guard.bad_step is BadStep.STOP:
        raise DivergedError(fault)
    standing.counters[BAD] += 1
    if standing.counters[BAD] > guard.most:
        raise DivergedError(f"{fault}, after {guard.most} bad steps before it")
    left_out = 1
    if guard.bad_step is BadStep.REWIND:
        target = rewind(training, context, ranks, standing)
        left_out += (standing.position - target) // training.batch
    standing.counters[LEFT_OUT] += left_out
    log.warning("%s: %d steps are left out", fault, left_out)
    return left_out
