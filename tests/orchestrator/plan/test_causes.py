"""Every cause has an answer, budgets end, and no answer changes what is computed."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.plan.causes import (
    ANSWERS,
    LONGEST_WAIT_SECONDS,
    MEMORY_FACTOR,
    MOST_ENDS,
    Cause,
    Ending,
    Remedy,
    Step,
    divided,
    next_step,
)

RETRIED = [cause for cause in Cause if ANSWERS[cause].remedy is not Remedy.STOP]
HOPELESS = [
    Cause.BUG,
    Cause.UNKNOWN,
    Cause.DATA,
    Cause.CONFIG,
    Cause.INPUT,
    Cause.DIVERGED,
    Cause.CANCELLED,
    Cause.DAMAGED,
    Cause.DISK_FULL,
]


def end(cause: Cause, *nodes: str, progressed: bool = False) -> Ending:
    return Ending(cause=cause, progressed=progressed, nodes=nodes)


def after(*endings: Ending) -> Step:
    return next_step(endings)


def test_every_cause_has_an_answer_that_says_how_to_mend_it() -> None:
    assert set(ANSWERS) == set(Cause)
    for answer in ANSWERS.values():
        assert answer.mend
        assert (answer.budget == 0) is (answer.remedy is Remedy.STOP)


@pytest.mark.parametrize("cause", HOPELESS)
@pytest.mark.parametrize("progressed", [False, True])
def test_what_comes_back_as_it_was_is_never_tried_again(cause: Cause, progressed: bool) -> None:
    step = after(end(cause, progressed=progressed))
    assert step.remedy is Remedy.STOP
    assert ANSWERS[cause].mend in step.reason


@pytest.mark.parametrize("cause", RETRIED)
def test_a_budget_is_spent_exactly(cause: Cause) -> None:
    budget = ANSWERS[cause].budget
    assert after(*[end(cause)] * budget).remedy is ANSWERS[cause].remedy
    spent = after(*[end(cause)] * (budget + 1))
    assert spent.remedy is Remedy.STOP
    assert ANSWERS[cause].mend in spent.reason


@pytest.mark.parametrize("cause", [c for c in RETRIED if "memory" not in c])
def test_getting_further_renews_a_budget(cause: Cause) -> None:
    spent = [end(cause)] * (ANSWERS[cause].budget + 1)
    assert after(*spent, end(cause, progressed=True)).remedy is ANSWERS[cause].remedy
    assert after(*spent, end(Cause.STOPPED, progressed=True), end(cause)).remedy is not Remedy.STOP


@pytest.mark.parametrize("cause", [c for c in RETRIED if "memory" not in c])
def test_the_end_that_got_further_counts_against_no_budget(cause: Cause) -> None:
    budget = ANSWERS[cause].budget
    assert after(end(cause, progressed=True), *[end(cause)] * budget).remedy is not Remedy.STOP
    spent = after(end(cause, progressed=True), *[end(cause)] * (budget + 1))
    assert spent.remedy is Remedy.STOP


@pytest.mark.parametrize("cause", [Cause.GPU_MEMORY, Cause.HOST_MEMORY])
def test_a_run_that_always_gets_a_step_further_does_not_halve_for_ever(cause: Cause) -> None:
    spent = [end(cause, progressed=True)] * (ANSWERS[cause].budget + 1)
    assert after(*spent).remedy is Remedy.STOP


def test_causes_have_budgets_of_their_own() -> None:
    preempted = [end(Cause.PREEMPTED)] * ANSWERS[Cause.PREEMPTED].budget
    assert after(*preempted, end(Cause.NETWORK)).remedy is Remedy.BACK_OFF


def test_a_mixture_of_causes_ends_too() -> None:
    mixed = [
        end(cause)
        for cause in (Cause.PREEMPTED, Cause.NETWORK, Cause.NODE_FAILURE, Cause.GPU_MEMORY)
        for _ in range(ANSWERS[cause].budget)
    ]
    assert len(mixed) == MOST_ENDS
    assert after(*mixed).remedy is not Remedy.STOP
    assert after(*mixed, end(Cause.STOPPED)).remedy is Remedy.STOP


def test_waits_double_and_are_bounded() -> None:
    waits = [after(*[end(Cause.NETWORK)] * n).wait_seconds for n in (1, 2, 3)]
    assert waits == [60.0, 120.0, 240.0]
    assert all(answer.wait_seconds <= LONGEST_WAIT_SECONDS for answer in ANSWERS.values())


def test_failed_nodes_are_avoided_from_then_on() -> None:
    step = after(end(Cause.NODE_FAILURE, "n2"), end(Cause.NODE_FAILURE, "n1", "n2"))
    assert step.avoid == ("n2", "n1")
    later = after(end(Cause.NODE_FAILURE, "n2"), end(Cause.PREEMPTED, "n3", progressed=True))
    assert later.avoid == ("n2",)
    assert after(end(Cause.DISK_FULL, "n4")).avoid == ()


def test_memory_remedies_add_up_and_stay() -> None:
    step = after(end(Cause.GPU_MEMORY), end(Cause.GPU_MEMORY), end(Cause.PREEMPTED))
    assert (step.remedy, step.halvings, step.memory_factor) == (Remedy.REQUEUE, 2, 1.0)
    assert after(end(Cause.HOST_MEMORY)).memory_factor == MEMORY_FACTOR


@given(st.integers(1, 512), st.integers(1, 64), st.integers(0, 6))
def test_halving_never_changes_what_the_optimizer_sees(
    micro_batch: int, accumulation: int, halvings: int
) -> None:
    parts = divided(micro_batch, accumulation, halvings)
    if parts is None:
        assert micro_batch % 2**halvings
    else:
        assert parts[0] * parts[1] == micro_batch * accumulation
        assert parts[0] * 2**halvings == micro_batch


@given(st.lists(st.builds(Ending, cause=st.sampled_from(Cause), progressed=st.booleans())))
def test_no_history_is_answered_for_ever_without_progress(history: Sequence[Ending]) -> None:
    for cause in RETRIED:
        stuck = [*history, *[end(cause)] * (MOST_ENDS + 1)]
        assert next_step(stuck).remedy is Remedy.STOP
