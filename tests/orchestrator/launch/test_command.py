"""`sweep launch` and `sweep status` as scripts use them, and where a launch is refused."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from orchestrator.errors import LaunchError
from orchestrator.launch.submit import record_of
from orchestrator.plan.plan import PlannedRun
from orchestrator.store.attempts import CLUSTER, claim_attempt, write_intent
from orchestrator.store.layout import RunFolder
from orchestrator.store.records import claim_study, write_progress, write_run
from orchestrator.worker.lease import Lease, take
from tests.orchestrator.launch.conftest import Inline, Toy
from tests.orchestrator.store.made_records import INTENT, PROGRESS


@pytest.mark.parametrize(
    ("given", "where"),
    [
        (["--profile", "rehearsal", "--slots", "2"], "--slots"),
        (["--profile", "rehearsal", "--cold"], "--cold"),
        (["--profile", "rehearsal", "--once"], "--once"),
        (["--watch"], "--watch"),
        (["--no-snapshot"], "--no-snapshot"),
    ],
)
def test_an_option_that_means_nothing_there_is_refused(
    toy: Toy, given: list[str], where: str
) -> None:
    refused = toy.sweep("launch", *given)
    assert refused.returncode == 2
    assert refused.stderr.startswith(f"sweep launch: {where} means nothing on ")
    assert f"  where: {where}\n" in refused.stderr
    assert not toy.folder.path.exists()


def test_the_end_of_a_launch_is_one_object_for_scripts(toy: Toy) -> None:
    failing = toy.of_stage("text_pretrain")[0].run_id
    done = toy.sweep("launch", "--json", env={"TOY_FAIL": f"{failing}:data"})
    told = json.loads(done.stdout)
    assert done.returncode != 0
    assert (told["study"], told["runs"]) == ("toy", len(toy.plan.runs))
    assert told["failed"] == [failing]
    below = {failing}
    for run in toy.plan.runs:
        if below & set(run.needs):
            below.add(run.run_id)
    assert set(told["blocked"]) == below - {failing}
    assert told["states"]["done"] == told["finished"] == len(toy.plan.runs) - len(below)
    again = toy.sweep("launch", "--json", "--retry")
    assert again.returncode == 0
    told = json.loads(again.stdout)
    assert told["states"] == {"done": len(toy.plan.runs)}
    assert told["finished"] == len(below)
    assert (told["failed"], told["blocked"], told["interrupted"]) == ([], [], False)


def claimed(toy: Toy, run: PlannedRun, **intent: Any) -> RunFolder:
    """The folder of a run with an attempt that was handed over."""
    claim_study(toy.folder, "toy")
    folder = toy.folder.run(run.run_id)
    write_run(folder, record_of("toy", run))
    write_intent(claim_attempt(folder), replace(INTENT, **intent))
    return folder


def test_a_study_that_a_cluster_has_is_not_launched_here(
    toy: Toy, inline: Callable[[], Inline]
) -> None:
    claimed(toy, toy.plan.runs[0], backend=CLUSTER, task=0)
    with pytest.raises(LaunchError) as caught:
        toy.launch(inline())
    assert caught.value.what == "a cluster has 1 of the study's runs"
    assert "--profile" in caught.value.mend


def test_status_says_how_fast_a_run_goes(toy: Toy) -> None:
    run = next(run for run in toy.plan.runs if run.cost.tokens and not run.needs)
    folder, now = claimed(toy, run), datetime.now(UTC)
    take(folder, Lease.of_this_process(1, INTENT.token), now)
    progress = replace(
        PROGRESS,
        step=10,
        steps=30,
        steps_per_second=4.0,
        heartbeat=now.isoformat(),
        mfu=0.4,
        memory_mib=300.0,
        device_memory_mib=9000.0,
    )
    write_progress(folder, progress)
    told = map(json.loads, toy.sweep("status", "--json").stdout.splitlines())
    lines = {line["run_id"]: line for line in told}
    shown = lines[run.run_id]
    assert (shown["state"], shown["step"], shown["steps"]) == ("running", 10, 30)
    assert shown["tokens_per_second"] == pytest.approx(4 * run.cost.tokens / run.cost.steps)
    assert (shown["mfu"], shown["seconds_left"]) == (0.4, 5.0)
    assert (shown["memory_mib"], shown["device_memory_mib"]) == (300.0, 9000.0)
    assert lines[toy.plan.runs[-1].run_id]["tokens_per_second"] is None
