"""A run that was stopped, or lost a checkpoint, ends where an undisturbed one ends: bit for bit."""

import errno
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from models.training import checkpoint, checkpoint_folders
from models.training.loop import train
from models.training.loss import Part
from models.training.optimizer import build_optimizer
from models.training.training import Training
from orchestrator.spec.model import ModelConfig, Norm
from orchestrator.spec.optimizer import OptimizerConfig
from orchestrator.spec.run import TextPretrain
from orchestrator.spec.schedule import Schedule, warmup_cosine
from orchestrator.spec.source import DataSource
from orchestrator.store.stage import DivergedError, StoppedError

Contexts = Callable[..., Any]

BATCH, STEPS = 4, 7
SCHEDULE = warmup_cosine(peak=0.1, final=0.01, warmup=2 * BATCH, length=STEPS * BATCH)
RUN = TextPretrain(
    model=ModelConfig(
        width=8, depth=1, heads=1, vocab_size=8, seq_len=4, norm=Norm.RMS, qk_norm=False
    ),
    text=DataSource(name="shapeworld/text", version="tiny"),
    val_text=None,
    end_tokens=STEPS * BATCH,
    batch_tokens=BATCH,
    schedule=SCHEDULE,
    optimizer=OptimizerConfig(),
    seed=0,
)


def network() -> nn.Module:
    made = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 1))
    for parameter in made.parameters():
        nn.init.normal_(parameter, generator=torch.Generator().manual_seed(parameter.numel()))
    return made


def losses(module: nn.Module) -> Callable[[int], Iterator[Part]]:
    """A regression whose batch is drawn from its position alone."""

    def parts(position: int) -> Iterator[Part]:
        x = torch.randn(BATCH, 3, generator=torch.Generator().manual_seed(position))
        loss = (module(x).squeeze(1) - x.sum(1)).square().mean()
        yield Part(loss, loss.detach(), {"seen": BATCH})

    return parts


def training(**change: Any) -> Training:
    module = network()
    made = Training(
        module=module,
        optimizer=build_optimizer(module, OptimizerConfig()),
        parts=losses(module),
        schedule=SCHEDULE,
        grad_clip=1.0,
        batch=BATCH,
        end=STEPS * BATCH,
        keep_optimizer=True,
    )
    return replace(made, **change)


def final(context: Any) -> checkpoint.Checkpoint:
    assert checkpoint_folders.positions(context.folder.checkpoints) == [STEPS * BATCH]
    return checkpoint.finished(context.folder)


def assert_equal(one: checkpoint.Checkpoint, other: checkpoint.Checkpoint) -> None:
    assert (one.step, one.position, one.counters) == (other.step, other.position, other.counters)
    for mine, yours in ((one.weights, other.weights), (one.optimizer, other.optimizer)):
        assert mine is not None
        assert yours is not None
        assert mine.keys() == yours.keys()
        assert all(torch.equal(mine[name], yours[name]) for name in mine)


@pytest.fixture
def undisturbed(stage_context: Contexts) -> checkpoint.Checkpoint:
    context = stage_context(RUN, runs="undisturbed")
    train(training(), context)
    return final(context)


@pytest.mark.parametrize("steps", range(1, STEPS + 1))
def test_stopping_anywhere_changes_nothing(
    stage_context: Contexts, undisturbed: checkpoint.Checkpoint, steps: int
) -> None:
    with pytest.raises(StoppedError):
        train(training(), stage_context(RUN, stop_after=steps))
    context = stage_context(RUN)
    counters = train(training(), context).counters
    assert context.resumed_at == steps
    assert [report.step for report in context.reports] == list(range(steps + 1, STEPS + 1))
    assert counters == {"seen": STEPS * BATCH}
    assert_equal(final(context), undisturbed)


def test_stopping_after_each_step_changes_nothing(
    stage_context: Contexts, undisturbed: checkpoint.Checkpoint
) -> None:
    for _ in range(STEPS):
        with pytest.raises(StoppedError):
            train(training(), stage_context(RUN, stop_after=1))
    context = stage_context(RUN)
    train(training(), context)
    assert context.reports == []
    assert_equal(final(context), undisturbed)


def test_a_damaged_checkpoint_is_passed_over_and_made_again(
    stage_context: Contexts, undisturbed: checkpoint.Checkpoint
) -> None:
    folder = stage_context(RUN).folder
    for _ in range(3):
        with pytest.raises(StoppedError):
            train(training(), stage_context(RUN, stop_after=1))
    assert checkpoint_folders.positions(folder.checkpoints) == [2 * BATCH, 3 * BATCH]
    (folder.checkpoints / str(3 * BATCH) / "model.safetensors").write_bytes(b"")
    context = stage_context(RUN)
    train(training(), context)
    assert context.resumed_at == 2
    assert_equal(final(context), undisturbed)


def test_checkpoints_are_made_in_time_and_removed_when_a_later_one_is_complete(
    stage_context: Contexts, undisturbed: checkpoint.Checkpoint
) -> None:
    context = stage_context(RUN)
    train(training(checkpoint_seconds=0.0), context)
    assert_equal(final(context), undisturbed)


def test_steps_go_on_while_a_checkpoint_is_written(
    stage_context: Contexts, undisturbed: checkpoint.Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, write = stage_context(RUN), checkpoint.save
    written: list[int] = []

    def slow(folder: Path, content: checkpoint.Checkpoint, **more: Any) -> Path:
        deadline = time.monotonic() + 10
        while content.step < STEPS and len(context.reports) <= content.step:
            assert time.monotonic() < deadline, "training waits for the disk"
            time.sleep(0.001)
        written.append(content.step)
        return write(folder, content, **more)

    monkeypatch.setattr(checkpoint, "save", slow)
    train(training(checkpoint_seconds=0.0), context)
    assert written == list(range(1, STEPS + 1))
    assert_equal(final(context), undisturbed)


def test_a_full_disk_beside_training_ends_it(
    stage_context: Contexts, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: Any, **more: Any) -> None:
        del arguments, more
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(checkpoint, "save", full)
    with pytest.raises(OSError, match="No space") as caught:
        train(training(checkpoint_seconds=0.0), stage_context(RUN))
    assert caught.value.errno == errno.ENOSPC


def test_a_finished_run_takes_no_further_step(
    stage_context: Contexts, undisturbed: checkpoint.Checkpoint
) -> None:
    train(training(), stage_context(RUN))
    context = stage_context(RUN)
    train(training(), context)
    assert context.reports == []
    assert_equal(final(context), undisturbed)


def test_a_run_goes_on_from_where_another_ended(
    stage_context: Contexts, undisturbed: checkpoint.Checkpoint
) -> None:
    module = network()
    optimizer = build_optimizer(module, OptimizerConfig())
    shared = {"module": module, "optimizer": optimizer, "parts": losses(module)}
    counters = train(training(**shared, end=3 * BATCH), stage_context(RUN, name="first")).counters
    context = stage_context(RUN, name="second")
    train(training(**shared, start=3 * BATCH, counters=counters), context)
    assert context.resumed_at == 3
    assert_equal(final(context), undisturbed)


def test_optimizer_state_is_kept_only_for_runs_that_go_on(stage_context: Contexts) -> None:
    with pytest.raises(StoppedError):
        train(training(keep_optimizer=False), stage_context(RUN, stop_after=2))
    context = stage_context(RUN)
    stopped = checkpoint_folders.newest_valid(context.folder.checkpoints)
    assert stopped is not None
    assert checkpoint.read(stopped).optimizer is not None
    train(training(keep_optimizer=False), context)
    assert final(context).optimizer is None


def test_each_step_has_the_learning_rate_of_its_position(stage_context: Contexts) -> None:
    context = stage_context(RUN)
    train(training(), context)
    rates = [report.values["learning_rate"] for report in context.reports]
    assert rates == [SCHEDULE.learning_rate(step * BATCH, BATCH) for step in range(STEPS)]
    assert [report.position for report in context.reports] == [
        BATCH * step for step in range(1, STEPS + 1)
    ]


def test_the_gradient_is_clipped_to_its_global_norm(stage_context: Contexts) -> None:
    module = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(module.weight)

    def parts(_: int) -> Iterator[Part]:
        loss = (module.weight * 300).sum()  # a gradient of 300
        yield Part(loss, loss.detach(), {})

    moved = training(
        module=module,
        optimizer=torch.optim.SGD(module.parameters(), lr=0.0),
        parts=parts,
        schedule=Schedule(phases=SCHEDULE.phases[:1]),
        grad_clip=2.0,
        end=BATCH,
        keep_optimizer=False,
    )
    context = stage_context(RUN)
    train(moved, context)
    rate = SCHEDULE.learning_rate(0, BATCH)
    assert module.weight.item() == pytest.approx(-2.0 * rate, rel=1e-4)
    assert context.reports[0].values["grad_norm"] == pytest.approx(300.0)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_no_number_stops_the_run_and_is_not_saved(
    stage_context: Contexts, value: float
) -> None:
    module = network()

    def parts(position: int) -> Iterator[Part]:
        lost = value if position >= 2 * BATCH else 1.0
        loss: Tensor = sum(p.sum() for p in module.parameters()) * lost  # pyright: ignore[reportAssignmentType]  (sum starts at 0)
        yield Part(loss, loss.detach(), {})

    context = stage_context(RUN)
    diverging = training(
        module=module, optimizer=build_optimizer(module, OptimizerConfig()), parts=parts
    )
    with pytest.raises(DivergedError, match="step 3"):
        train(diverging, context)
    assert len(context.reports) == 2
    assert checkpoint_folders.positions(context.folder.checkpoints) == []


@pytest.mark.parametrize("value", [math.inf, math.nan])
def test_a_gradient_that_is_no_number_ends_the_run_before_it_reaches_the_weights(
    stage_context: Contexts, value: float
) -> None:
    module, calls = network(), iter(range(STEPS))

    def spoil(gradient: torch.Tensor) -> torch.Tensor:
        return torch.full_like(gradient, value) if next(calls) == 1 else gradient

    next(module.parameters()).register_hook(spoil)
    made = training(
        module=module,
        optimizer=build_optimizer(module, OptimizerConfig()),
        parts=losses(module),
        checkpoint_seconds=0.0,
    )
    context = stage_context(RUN)
    with pytest.raises(DivergedError, match=r"gradient's norm is .* at step 2"):
        train(made, context)
    assert checkpoint_folders.positions(context.folder.checkpoints) == [BATCH]
    assert all(bool(parameter.isfinite().all()) for parameter in module.parameters())
