"""Bad steps are seen, and answered alike however often a run is interrupted."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
import torch

from models.training import checkpoint, checkpoint_folders
from models.training.guard import Judge
from models.training.loop import train
from models.training.loss import Part
from models.training.optimizer import build_optimizer
from models.training.training import Training
from orchestrator.errors import ConfigError, RecordError
from orchestrator.spec.guard import BadStep, Guard
from orchestrator.spec.optimizer import OptimizerConfig
from orchestrator.store.stage import DivergedError, StoppedError
from tests.models.training.test_loop import BATCH, RUN, SCHEDULE, assert_equal, network

Contexts = Callable[..., Any]
STEPS = 14
SKIP = Guard(bad_step=BadStep.SKIP)
REWIND = Guard(bad_step=BadStep.REWIND, rewind_steps=2)


def training(guard: Guard, bad: Mapping[int, float] | None = None, **change: Any) -> Training:
    """A regression on batches drawn from their position; those of some steps are blown up."""
    module = network()

    def parts(position: int) -> Iterator[Part]:
        x = torch.randn(BATCH, 3, generator=torch.Generator().manual_seed(position))
        loss = (module(x).squeeze(1) - x.sum(1)).square().mean()
        loss = loss * (bad or {}).get(position // BATCH + 1, 1.0)
        yield Part(loss, loss.detach(), {"seen": BATCH})

    made = Training(
        module=module,
        optimizer=build_optimizer(module, OptimizerConfig()),
        parts=parts,
        schedule=SCHEDULE,
        grad_clip=1.0,
        batch=BATCH,
        end=STEPS * BATCH,
        keep_optimizer=True,
        guard=guard,
    )
    return replace(made, **change)


def left_out(context: Any) -> dict[int, float]:
    """Steps at which something was left out, and how many steps that were."""
    return {
        report.step: report.values["left_out_steps"]
        for report in context.reports
        if "left_out_steps" in report.values
    }


def judged(guard: Guard, steps: list[tuple[float, float]]) -> list[bool]:
    judge = Judge(guard)
    return [judge.fault(*step) is not None for step in steps]


STEADY = [(2.0 + 0.1 * (n % 2), 1.0 + 0.1 * (n % 3)) for n in range(8)]


@pytest.mark.parametrize("spike", [(9.0, 1.0), (2.0, 9.0)])
def test_a_loss_or_a_gradient_far_above_the_last_ones_is_a_spike(
    spike: tuple[float, float],
) -> None:
    guard = Guard(spike_sigmas=6, window=8)
    assert judged(guard, [*STEADY, spike, (2.0, 1.0)]) == [False] * 8 + [True, False]
    assert judged(Guard(), [*STEADY, spike]) == [False] * 9


def test_a_fall_is_no_spike_and_a_short_past_shows_none() -> None:
    guard = Guard(spike_sigmas=6, window=8)
    assert not any(judged(guard, [*STEADY, (0.1, 0.1)]))
    assert not any(judged(guard, [*STEADY[:3], (9.0, 9.0)]))
    assert judged(guard, [*STEADY[:4], (9.0, 9.0)])[-1]


def test_a_spike_does_not_raise_the_bar_for_the_next_one() -> None:
    assert judged(Guard(spike_sigmas=6, window=8), [*STEADY, (9.0, 1.0), (9.0, 1.0)])[-2:] == [
        True,
        True,
    ]


@pytest.mark.parametrize(
    "change", [{"spike_sigmas": 0}, {"window": 3}, {"rewind_steps": 0}, {"most": 0}]
)
def test_a_guard_out_of_range_is_refused(change: dict[str, float]) -> None:
    with pytest.raises(ConfigError) as caught:
        replace(Guard(), **change)
    assert caught.value.where == next(iter(change))


def test_a_skipped_batch_moves_nothing(stage_context: Contexts) -> None:
    context = stage_context(RUN)
    before: list[list[torch.Tensor]] = []
    made = training(SKIP, {3: math.nan})
    parts = made.parts

    def seen(position: int) -> Iterator[Part]:
        before.append([parameter.detach().clone() for parameter in made.module.parameters()])
        return parts(position)

    counters = train(replace(made, parts=seen), context).counters
    assert left_out(context) == {3: 1}
    assert counters == {"seen": STEPS * BATCH, "bad_steps": 1, "left_out_steps": 1}
    moved = [not all(map(torch.equal, before[step], before[step + 1])) for step in range(STEPS - 1)]
    assert moved == [step != 2 for step in range(STEPS - 1)]


@pytest.mark.parametrize("guard", [SKIP, REWIND])
@pytest.mark.parametrize("bad", [{2: math.inf}, {5: math.nan, 11: math.nan}, {7: 1e9, 8: 1e9}])
def test_interruptions_change_no_answer(
    stage_context: Contexts, guard: Guard, bad: dict[int, float]
) -> None:
    guard = replace(guard, spike_sigmas=100, window=4)
    undisturbed = stage_context(RUN, runs="undisturbed")
    train(training(guard, bad), undisturbed)
    assert left_out(undisturbed).keys() == bad.keys()
    for stop_after in (1, 3):
        runs = f"stopped {stop_after}"
        for _ in range(STEPS):
            try:
                train(training(guard, bad), stage_context(RUN, runs=runs, stop_after=stop_after))
            except StoppedError:
                continue
            break
        context = stage_context(RUN, runs=runs)
        assert_equal(checkpoint.finished(context.folder), checkpoint.finished(undisturbed.folder))


@pytest.mark.parametrize("kept", [True, False])
def test_a_rewound_run_has_the_weights_of_the_batches_that_count(
    stage_context: Contexts,
    kept: bool,
) -> None:
    """Step 7 is bad: back to step 4, so that steps 1 to 4 and 8 to the end count."""
    context = stage_context(RUN)
    looks: dict[str, Any] = {"spike_sigmas": 1e9, "window": 12}  # at the last good steps
    train(training(replace(REWIND, **looks), {7: math.nan}), context)
    assert left_out(context) == {7: 3}
    bad: dict[int, float] = dict.fromkeys((5, 6, 7), math.nan) if kept else {7: math.nan}
    train(training(replace(SKIP, **looks), bad), stage_context(RUN, runs="skipped"))
    skipped = checkpoint.finished(stage_context(RUN, runs="skipped").folder)
    rewound = checkpoint.finished(context.folder)
    same = [torch.equal(rewound.weights[name], skipped.weights[name]) for name in skipped.weights]
    assert all(same) is kept
    assert (rewound.recent == skipped.recent) is kept


def test_a_second_bad_step_goes_back_behind_what_the_first_gave_up(
    stage_context: Contexts,
) -> None:
    context = stage_context(RUN)
    train(training(REWIND, {7: math.nan, 9: math.nan}), context)
    # The checkpoint of step 6 lies on the way that was given up: from step 9, back to 4 again.
    assert left_out(context) == {7: 3, 9: 5}


def test_a_bad_step_near_the_start_goes_back_to_it(stage_context: Contexts) -> None:
    context = stage_context(RUN)
    train(training(REWIND, {2: math.nan}), context)
    assert left_out(context) == {2: 2}
    assert checkpoint_folders.positions(context.folder.checkpoints) == [STEPS * BATCH]


def test_a_run_goes_back_no_further_than_where_it_began(stage_context: Contexts) -> None:
    context = stage_context(RUN)
    train(training(REWIND, {5: math.nan}, start=3 * BATCH), context)
    assert left_out(context) == {5: 2}


def test_too_many_bad_steps_are_a_divergence(stage_context: Contexts) -> None:
    bad: dict[int, float] = dict.fromkeys((3, 5, 6), math.nan)
    guard = replace(SKIP, most=2)
    with pytest.raises(DivergedError, match=r"nan at step 6, .* after 2 bad steps"):
        train(training(guard, bad), stage_context(RUN))
    train(training(replace(SKIP, most=3), bad), stage_context(RUN, runs="forgiven"))


def test_a_spike_ends_a_run_that_forgives_none(stage_context: Contexts) -> None:
    with pytest.raises(DivergedError, match=r"spike, above .* at step 9"):
        train(training(Guard(spike_sigmas=50, window=4), {9: 1e6}), stage_context(RUN))


def test_a_lost_checkpoint_to_go_back_to_is_named(stage_context: Contexts) -> None:
    context = stage_context(RUN)
    with pytest.raises(StoppedError):
        train(training(REWIND, {7: math.nan}), stage_context(RUN, stop_after=6))
    (context.folder.checkpoints / str(4 * BATCH) / "model.safetensors").write_bytes(b"")
    with pytest.raises(RecordError) as caught:
        train(training(REWIND, {7: math.nan}), context)
    assert "go back to" in caught.value.what
    assert str(context.folder.checkpoints) in caught.value.mend
