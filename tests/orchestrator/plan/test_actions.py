"""What a launch decides, from plans drawn by hand."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.plan.actions import Action, Verb, decide, halt_reason
from orchestrator.plan.breaker import SAME_FAILURES
from orchestrator.plan.causes import ANSWERS, Cause, Ending, Remedy, next_step
from orchestrator.plan.going_on import INTERRUPTIONS, SURROUNDINGS
from orchestrator.plan.limits import Limits
from orchestrator.plan.observed import Observed, State, Wish
from orchestrator.plan.plan import Axis, Cell, Cost, Plan, PlannedRun, Saving
from orchestrator.spec.model import Encoder, VisionConfig
from orchestrator.spec.optimizer import OptimizerConfig
from orchestrator.spec.run import Stage, TowerPretrain
from orchestrator.spec.schedule import Phase, Schedule, Shape
from orchestrator.spec.source import DataSource

CONFIG = TowerPretrain(
    vision=VisionConfig(encoder=Encoder.CNN, image_size=4, patch_size=2, feature_width=4),
    scenes=DataSource(name="world/scenes", version="1"),
    steps=1,
    batch_images=1,
    schedule=Schedule(phases=(Phase(shape=Shape.CONSTANT, length=1, start=0.1, end=0.1),)),
    optimizer=OptimizerConfig(),
    features_of=(),
    seed=0,
)
CELL = (Cell(arm="timing", axes=(Axis(name="seed", value=0),)),)
PLANNED, DONE = Observed(state=State.PLANNED), Observed(state=State.DONE, attempts=1)
RUNNING = Observed(state=State.RUNNING, attempts=1)


def run(name: str, *needs: str, hours: float = 1.0, cells: tuple[Cell, ...] = ()) -> PlannedRun:
    cost = Cost(
        params=1,
        params_total=1,
        steps=1,
        tokens=1,
        image_tokens=0,
        flops=1.0,
        vision_flops=0.0,
        flops_6nd=6.0,
        checkpoint_bytes=1,
        device_hours=hours,
        devices=1,
        wall_hours=hours,
        memory_gib=0.0,
    )
    return PlannedRun(
        run_id=name,
        stage=Stage.TOWER_PRETRAIN,
        function="nowhere:train",
        config=CONFIG,
        needs=needs,
        previous=None,
        cells=cells,
        arms=("timing",),
        axes=(),
        cost=cost,
    )


def plan(*runs: PlannedRun) -> Plan:
    saving = Saving(tokens=0, flops=0.0, device_hours=0.0)
    return Plan(
        study="s",
        about="",
        runs=runs,
        sources=(),
        made=(),
        arms=(),
        feeds=(),
        saving=saving,
        throughput="assumed",
        columns=(),
    )


def failed(
    cause: Cause, message: str = "it broke", *, progressed: bool = False, earlier: bool = False
) -> Observed:
    seen = Observed(state=State.FAILED, attempts=1, cause=cause, message=message)
    return replace(seen, progressed=progressed, earlier=earlier)


def verdicts(
    runs: Plan, seen: Mapping[str, Observed], limits: Limits | None = None
) -> dict[str, Action]:
    observed = {r.run_id: seen.get(r.run_id, PLANNED) for r in runs.runs}
    return {a.run_id: a for a in decide(runs, observed, limits or Limits(slots=2))}


# trunk: a -> b; branches: a -> x, b -> y, evaluations: x -> ex, y -> ey
TRUNK = plan(
    run("a"),
    run("b", "a"),
    run("x", "a", cells=CELL),
    run("y", "b", cells=CELL),
    run("ex", "x"),
    run("ey", "y"),
)


def test_only_runs_whose_parents_are_done_are_submitted() -> None:
    first = verdicts(TRUNK, {})
    assert [a.run_id for a in first.values() if a.verb is Verb.SUBMIT] == ["a"]
    assert first["x"].verb is Verb.WAIT
    assert "a" in first["x"].reason
    second = verdicts(TRUNK, {"a": DONE})
    assert {a.run_id for a in second.values() if a.verb is Verb.SUBMIT} == {"b", "x"}


def test_a_finished_run_is_never_done_again_nor_are_its_ancestors_for_it() -> None:
    seen = {"y": DONE, "ey": DONE, "x": DONE, "ex": DONE}
    actions = verdicts(TRUNK, seen)
    assert {a.verb for a in actions.values()} == {Verb.SKIP}
    assert actions["a"].reason == "only finished runs need it"


def test_an_ancestor_is_done_for_the_one_unfinished_run_that_needs_it() -> None:
    actions = verdicts(TRUNK, {"y": DONE, "ey": DONE, "ex": DONE})
    assert actions["a"].verb is Verb.SUBMIT  # x fills a place of an arm
    assert actions["b"].verb is Verb.SKIP
    assert actions["x"].verb is Verb.WAIT


def test_a_run_without_a_place_of_its_own_is_not_done_for_finished_children() -> None:
    line = plan(run("a", cells=CELL), run("helper", "a"), run("last", "helper", cells=CELL))
    actions = verdicts(line, {"a": DONE, "last": DONE})
    assert actions["helper"].verb is Verb.SKIP


@pytest.mark.parametrize("cause", [c for c in Cause if ANSWERS[c].remedy is Remedy.STOP])
def test_a_failure_of_this_launch_blocks_it_and_all_below_it(cause: Cause) -> None:
    actions = verdicts(TRUNK, {"a": DONE, "b": failed(cause)})
    for name in ("b", "y", "ey"):
        assert actions[name].verb is Verb.BLOCK
        assert actions[name].blocker == "b"
    assert "needs b, which failed" in actions["ey"].reason
    assert actions["x"].verb is (Verb.WAIT if cause is Cause.DISK_FULL else Verb.SUBMIT)


ANSWERED = [c for c in Cause if ANSWERS[c].remedy is not Remedy.STOP]


@pytest.mark.parametrize("cause", ANSWERED)
def test_each_cause_is_answered_as_often_as_its_budget_says(cause: Cause) -> None:
    for ends in range(1, ANSWERS[cause].budget + 2):
        history = (Ending(cause=cause, progressed=False),) * ends
        action = verdicts(TRUNK, {"a": replace(failed(cause), history=history)})["a"]
        spent = ends > ANSWERS[cause].budget
        assert action.verb is (Verb.BLOCK if spent else Verb.SUBMIT)
        assert cause.value in action.reason
        if not spent:
            assert action.step == next_step(history)


def test_an_interruption_is_made_good_without_end_as_long_as_attempts_get_further() -> None:
    history = (Ending(cause=Cause.TIME_LIMIT, progressed=True),) * 50
    seen = replace(failed(Cause.TIME_LIMIT, progressed=True), history=history)
    assert verdicts(TRUNK, {"a": seen})["a"].verb is Verb.SUBMIT


def test_an_answer_that_backs_off_waits_for_its_time() -> None:
    ended = datetime(2026, 1, 1, tzinfo=UTC)
    seen = {"a": replace(failed(Cause.NETWORK), ended=ended)}
    wait = ANSWERS[Cause.NETWORK].wait_seconds

    def at(seconds: float) -> Action:
        now = ended + timedelta(seconds=seconds)
        return verdicts(TRUNK, seen, Limits(slots=2, now=now))["a"]

    early, late = at(wait - 10), at(wait)
    assert (early.verb, early.wait_seconds) == (Verb.WAIT, 10)
    assert late.verb is Verb.SUBMIT


ROUND = Limits(slots=None, ahead=True, attended=False)


def test_a_round_submits_the_whole_study_ahead_with_what_each_run_waits_for() -> None:
    actions = verdicts(TRUNK, {}, ROUND)
    assert {a.verb for a in actions.values()} == {Verb.SUBMIT}
    assert {name: a.after for name, a in actions.items()} == {r.run_id: r.needs for r in TRUNK.runs}
    names = list(actions)
    assert all(names.index(n) < names.index(r.run_id) for r in TRUNK.runs for n in r.needs)


def test_a_run_is_not_submitted_ahead_of_a_process_that_no_job_can_wait_for() -> None:
    local = verdicts(TRUNK, {"a": RUNNING}, ROUND)
    queued = verdicts(TRUNK, {"a": replace(RUNNING, waitable=True)}, ROUND)
    assert local["b"].verb is local["ey"].verb is Verb.WAIT
    assert queued["b"].after == ("a",)
    assert queued["ey"].after == ("y",)


def test_nothing_is_submitted_ahead_of_what_is_blocked_unknown_or_waits() -> None:
    ended = datetime(2026, 1, 1, tzinfo=UTC)
    held = {
        "blocked": failed(Cause.BUG),
        "unknown": Observed(state=State.UNKNOWN),
        "waits": replace(failed(Cause.NETWORK), ended=ended),
    }
    for seen in held.values():
        actions = verdicts(TRUNK, {"a": seen}, replace(ROUND, now=ended))
        assert Verb.SUBMIT not in {a.verb for a in actions.values()}


def test_a_cut_by_slots_never_separates_a_run_from_what_it_waits_for() -> None:
    for slots in range(len(TRUNK.runs)):
        actions = verdicts(TRUNK, {}, replace(ROUND, slots=slots))
        sent = {name for name, a in actions.items() if a.verb is Verb.SUBMIT}
        assert len(sent) == slots
        assert all(need in sent for name in sent for need in actions[name].after)


def test_rounds_by_themselves_do_not_renew_budgets_but_a_person_does() -> None:
    spent = (Ending(cause=Cause.KILLED, progressed=False),) * 5
    seen = {"a": replace(failed(Cause.KILLED, earlier=True), history=spent)}
    assert verdicts(TRUNK, seen, ROUND)["a"].verb is Verb.BLOCK
    assert verdicts(TRUNK, seen, replace(ROUND, retry=True))["a"].verb is Verb.SUBMIT
    assert verdicts(TRUNK, seen)["a"].verb is Verb.SUBMIT


def test_what_memory_taught_is_kept_when_a_person_goes_on() -> None:
    history = (Ending(cause=Cause.GPU_MEMORY, progressed=False),) * 2
    seen = {"a": replace(failed(Cause.GPU_MEMORY, earlier=True), history=history)}
    step = verdicts(TRUNK, seen, Limits(slots=1, retry=True))["a"].step
    assert step is not None
    assert step.halvings == 2


def test_wishes_of_a_person_are_obeyed() -> None:
    paused = verdicts(TRUNK, {"a": replace(PLANNED, wish=Wish.PAUSE)})
    assert paused["a"].verb is paused["b"].verb is Verb.WAIT
    cancelled = verdicts(TRUNK, {"a": replace(PLANNED, wish=Wish.CANCEL)})
    assert cancelled["a"].verb is Verb.BLOCK
    assert cancelled["ey"].blocker == "a"
    running = verdicts(TRUNK, {"a": replace(RUNNING, wish=Wish.CANCEL)})
    assert running["a"].verb is Verb.CANCEL
    assert verdicts(TRUNK, {"a": replace(RUNNING, wish=Wish.PAUSE)})["a"].verb is Verb.WAIT


def test_a_job_that_can_never_start_is_cancelled() -> None:
    stuck = replace(RUNNING, state=State.QUEUED, waitable=True, stuck=Cause.NOT_READY)
    actions = verdicts(TRUNK, {"a": failed(Cause.BUG), "b": stuck}, ROUND)
    assert actions["b"].verb is Verb.CANCEL


@pytest.mark.parametrize("cause", list(Cause))
def test_failures_of_earlier_launches(cause: Cause) -> None:
    seen = {"a": failed(cause, earlier=True)}
    plain = verdicts(TRUNK, seen)["a"]
    asked = verdicts(TRUNK, seen, Limits(slots=1, retry=True))["a"]
    goes_on = cause in SURROUNDINGS
    assert plain.verb is (Verb.SUBMIT if goes_on else Verb.BLOCK)
    assert asked.verb is (Verb.BLOCK if cause is Cause.DAMAGED else Verb.SUBMIT)
    if plain.verb is Verb.BLOCK and cause is not Cause.DAMAGED:
        assert "--retry" in plain.reason


def test_unknown_is_neither_failed_nor_submitted() -> None:
    actions = verdicts(TRUNK, {"a": Observed(state=State.UNKNOWN, message="squeue is silent")})
    assert actions["a"].verb is Verb.WAIT
    assert actions["a"].reason == "squeue is silent"
    assert actions["b"].verb is Verb.WAIT


def test_the_longest_line_goes_first() -> None:
    lines = plan(
        run("short", hours=1.0),
        run("long", hours=0.1),
        run("after_long", "long", hours=5.0),
        run("also_short", hours=1.0),
    )
    observed = {r.run_id: PLANNED for r in lines.runs}
    actions = decide(lines, observed, Limits(slots=2))
    assert [a.run_id for a in actions if a.verb is Verb.SUBMIT] == ["long", "short"]
    waiting = next(a for a in actions if a.run_id == "also_short")
    assert waiting.verb is Verb.WAIT
    assert "slot" in waiting.reason


def test_slots_are_shared_with_what_runs_already() -> None:
    seen = {"a": DONE, "b": RUNNING}
    assert verdicts(TRUNK, seen, Limits(slots=1))["x"].verb is Verb.WAIT
    assert verdicts(TRUNK, seen, Limits(slots=2))["x"].verb is Verb.SUBMIT
    assert verdicts(TRUNK, seen, Limits(slots=None))["x"].verb is Verb.SUBMIT


def test_stopping_cancels_what_runs_and_starts_nothing() -> None:
    actions = verdicts(TRUNK, {"a": DONE, "b": RUNNING}, Limits(slots=4, stop=True))
    assert actions["b"].verb is Verb.CANCEL
    assert Verb.SUBMIT not in {a.verb for a in actions.values()}


WORDS = ("wheel", "axle", "spoke", "hub")


def test_failures_that_are_alike_stop_submission_but_different_ones_do_not() -> None:
    many = plan(*(run(f"r{i}") for i in range(SAME_FAILURES + 1)))
    alike = {f"r{i}": failed(Cause.BUG, f"no key at /data/{i}.tar") for i in range(SAME_FAILURES)}
    differ = {f"r{i}": failed(Cause.BUG, f"no {WORDS[i]}") for i in range(SAME_FAILURES)}
    causes = (Cause.BUG, Cause.DATA, Cause.CONFIG)
    by_cause = {f"r{i}": failed(causes[i]) for i in range(SAME_FAILURES)}
    last = f"r{SAME_FAILURES}"
    assert verdicts(many, alike)[last].verb is Verb.WAIT
    assert verdicts(many, differ)[last].verb is Verb.SUBMIT
    assert verdicts(many, by_cause)[last].verb is Verb.SUBMIT


def test_the_breaker_trips_on_the_third_failure_and_names_it() -> None:
    seen = {f"r{i}": failed(Cause.BUG, f"no key {i}") for i in range(SAME_FAILURES)}
    assert halt_reason(dict(list(seen.items())[:-1])) is None
    reason = halt_reason(seen)
    assert reason is not None
    assert "no key 0" in reason
    assert Cause.BUG.value in reason


@pytest.mark.parametrize("cause", [*sorted(INTERRUPTIONS), Cause.DIVERGED, Cause.CANCELLED])
def test_what_says_nothing_about_the_next_run_never_trips_the_breaker(cause: Cause) -> None:
    assert halt_reason({f"r{i}": failed(cause) for i in range(SAME_FAILURES)}) is None


SEEN = st.builds(
    Observed,
    state=st.sampled_from(list(State)),
    cause=st.sampled_from([None, *Cause]),
    progressed=st.booleans(),
    earlier=st.booleans(),
)


@given(
    seen=st.fixed_dictionaries({r.run_id: SEEN for r in TRUNK.runs}),
    slots=st.one_of(st.none(), st.integers(1, 3)),
    retry=st.booleans(),
)
def test_whatever_is_seen_every_run_gets_one_safe_action(
    seen: dict[str, Observed], slots: int | None, retry: bool
) -> None:
    actions = decide(TRUNK, seen, Limits(slots=slots, retry=retry))
    assert sorted(a.run_id for a in actions) == sorted(r.run_id for r in TRUNK.runs)
    assert all(a.reason for a in actions)
    needs = {r.run_id: r.needs for r in TRUNK.runs}
    submitted = [a.run_id for a in actions if a.verb is Verb.SUBMIT]
    for name in submitted:
        assert seen[name].state in (State.PLANNED, State.FAILED, State.UNKNOWN)
        assert seen[name].state is not State.UNKNOWN or seen[name].cause is not None
        assert all(seen[parent].state is State.DONE for parent in needs[name])
    live = sum(s.state in (State.RUNNING, State.SUBMITTED, State.QUEUED) for s in seen.values())
    assert slots is None or len(submitted) + live <= max(slots, live)
