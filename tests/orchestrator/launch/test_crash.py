"""Crashes between any two writes, and files damaged afterwards."""

import itertools
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from orchestrator.launch.backend import Backend
from orchestrator.launch.states import Moment, observe
from orchestrator.launch.submit import submit
from orchestrator.plan.actions import Verb
from orchestrator.plan.causes import Cause
from orchestrator.plan.observed import Observed, State
from orchestrator.plan.plan import Plan
from orchestrator.store.layout import RunFolder

if TYPE_CHECKING:
    from tests.orchestrator.launch.conftest import Toy

CRASHED = 137


def pair(plan: Plan) -> Plan:
    """A trunk segment and one child of it."""
    parent = plan.runs[0]
    child = next(run for run in plan.runs if run.needs == (parent.run_id,))
    return replace(plan, runs=(parent, child))


def seen_now(toy: "Toy", plan: Plan) -> dict[str, Observed]:
    now = datetime.now(UTC)
    return observe(toy.folder, plan, Moment(now=now, since=now, grace=timedelta(0)))


def crash_at(number: int, *, renamed: bool) -> None:
    """Let this process die at its nth rename of a file, just before or just after it."""
    calls = itertools.count(1)
    real = Path.replace

    def replace_or_die(self: Path, target: Path) -> Path:
        last = next(calls) == number
        if last and not renamed:
            os._exit(CRASHED)
        result = real(self, target)
        if last:
            os._exit(CRASHED)
        return result

    Path.replace = replace_or_die  # pyright: ignore[reportAttributeAccessIssue]  (it dies)


@pytest.mark.parametrize("renamed", [False, True])
def test_a_crash_at_any_write_leaves_a_store_that_the_next_launch_finishes(
    toy: "Toy", renamed: bool, monkeypatch: pytest.MonkeyPatch, inline: Callable[[], Backend]
) -> None:
    monkeypatch.setattr(os, "fsync", int)  # the order of renames is tested, not the disk
    plan = pair(toy.plan)
    names = [f"{run.run_id}/{name}" for run in plan.runs for name in ("result.json", "DONE")]
    names += [f"{run.run_id}/metrics.jsonl" for run in plan.runs]

    def contents() -> list[bytes]:
        return [(toy.folder.runs / name).read_bytes() for name in names]

    def launch(crash: int | None) -> int:
        def work() -> None:
            if crash is not None:
                crash_at(crash, renamed=renamed)
            toy.loop(inline(), plan=plan).run(lambda: False)

        return toy.in_fork(work)

    toy.make_data()
    assert launch(None) == 0
    expected = contents()
    for number in itertools.count(1):
        shutil.rmtree(toy.folder.path)
        if launch(number) == 0:
            assert number > 20  # every write of two runs had its turn
            return
        seen = seen_now(toy, plan)
        assert not [name for name, run in seen.items() if run.cause is Cause.DAMAGED], number
        assert launch(None) == 0
        assert contents() == expected, number
        assert {run.state for run in seen_now(toy, plan).values()} == {State.DONE}, number


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:20])


def swap_config(path: Path) -> None:
    path.write_text(path.read_text().replace('"seed": 0', '"seed": 7'))


def newer_format(path: Path) -> None:
    path.write_text(path.read_text().replace('"format": 1', '"format": 2'))


def only_junk(path: Path) -> None:
    path.unlink()


def one_digit(path: Path) -> None:
    path.write_text(path.read_text().replace("0.", "1."))


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("run.json", cut),
        ("run.json", swap_config),
        ("run.json", newer_format),
        ("run.json", only_junk),
        ("result.json", one_digit),
        ("result.json", only_junk),
        ("DONE", cut),
        ("DONE", newer_format),
    ],
)
def test_a_damaged_record_is_named_and_left_alone(
    toy: "Toy", name: str, damage: Callable[[Path], None], inline: Callable[[], Backend]
) -> None:
    plan = pair(toy.plan)
    parent, child = (toy.folder.run(run.run_id) for run in plan.runs)
    toy.in_fork(lambda: toy.loop(inline(), plan=replace(plan, runs=plan.runs[:1])).run(bool))
    assert parent.done.exists()
    damage(parent.path / name)
    before = files_of(parent)
    outcome = toy.launch(toy.local(), plan=plan)
    seen = outcome.observed[parent.run_id]
    assert (seen.state, seen.cause) == (State.UNKNOWN, Cause.DAMAGED)
    assert str(parent.path) in (seen.message or "")
    assert [a.verb for a in outcome.actions] == [Verb.BLOCK, Verb.BLOCK]
    assert [a.blocker for a in outcome.actions] == [parent.run_id, parent.run_id]
    assert files_of(parent) == before
    assert not child.path.exists()


def files_of(folder: RunFolder) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.path.rglob("*") if path.is_file()}


def test_a_file_in_the_place_of_a_run_is_named(toy: "Toy") -> None:
    first = toy.folder.run(toy.plan.runs[0].run_id)
    toy.folder.runs.mkdir(parents=True)
    first.path.write_text("junk")
    seen = seen_now(toy, toy.plan)[first.run_id]
    assert seen.cause is Cause.DAMAGED
    assert str(first.path) in (seen.message or "")


def test_an_intent_without_a_process_counts_as_started_for_a_while(
    toy: "Toy", lost: Backend
) -> None:
    first, now = toy.plan.runs[0], datetime.now(UTC)
    submit(toy.place(lost), first, 0, now)
    early = observe(toy.folder, toy.plan, Moment(now=now, since=now))[first.run_id]
    minutes_later = now + timedelta(minutes=2)
    late = observe(toy.folder, toy.plan, Moment(now=minutes_later, since=now))[first.run_id]
    assert early.state is State.SUBMITTED
    assert (late.state, late.cause, late.earlier) == (State.FAILED, Cause.KILLED, True)
