"""How fast schedules are simulated, and how near they come to a real launch. Run by hand.

    python -m tests.benchmarks.makespan
    python -m tests.benchmarks.makespan results/smoke

The first prints how the CPU time grows with the number of runs. The second takes the runs of a
finished local launch as long as they really took, and compares the simulated makespan with the
launch's own. It reads files and writes none.
"""

import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from orchestrator.plan.makespan.capacity import Capacity, Pool, this_machine
from orchestrator.plan.makespan.failures import FailureRates, simulate_failures
from orchestrator.plan.makespan.makespan import simulate
from orchestrator.plan.makespan.work import Work
from orchestrator.store.attempts import attempt_numbers, read_exit, read_intent
from orchestrator.store.layout import StudyFolder
from tests.orchestrator.plan.makespan.bound import lower_bound_hours

SIZES = (1_000, 10_000, 100_000)
CLUSTER = Capacity(
    pools=(
        Pool(name="week", nodes=24, devices_per_node=8, max_hours=168),
        Pool(name="day", nodes=104, devices_per_node=8, max_hours=24),
    ),
    max_devices=768,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt as the launch's files tell it; instants in seconds since 1970."""

    run_id: str
    intended: float
    started: float
    ended: float
    stage_seconds: float
    slot: int


def made_up_study(runs: int) -> list[Work]:
    """Return trunks of ten segments; from each segment branches with a model and its score."""
    work: list[Work] = []
    while len(work) < runs:
        trunk = len(work)
        for segment in range(10):
            name = f"{trunk}.{segment}"
            before = (f"{trunk}.{segment - 1}",) if segment else ()
            work.append(made_up_run(name, before, devices=32, hours=20 + trunk % 7 * 30))
            for branch in range(3):
                line = f"{name}.{branch}"
                work.append(made_up_run(line, (name,), devices=8, hours=4 + branch))
                work.append(made_up_run(f"{line}.model", (line,), devices=4, hours=2))
                work.append(made_up_run(f"{line}.score", (f"{line}.model",), devices=1, hours=0.5))
    return work[:runs]


def made_up_run(name: str, needs: tuple[str, ...], *, devices: int, hours: float) -> Work:
    return Work(run_id=name, label=name, needs=needs, devices=devices, hours=hours)


def print_growth() -> None:
    show(f"{'runs':>8} {'jobs':>8} {'CPU s':>8} {'us/run':>7} {'makespan / bound':>17}")
    for size in SIZES:
        work = made_up_study(size)
        began = time.process_time()
        schedule = simulate(work, CLUSTER)
        seconds = time.process_time() - began
        ratio = schedule.makespan_hours / lower_bound_hours(work, CLUSTER)
        per_run = seconds / size * 1e6
        jobs = len(schedule.placements)
        show(f"{size:>8,} {jobs:>8,} {seconds:>8.3f} {per_run:>7.1f} {ratio:>17.3f}")
    work = made_up_study(SIZES[0])
    began = time.process_time()
    simulate_failures(work, CLUSTER, FailureRates(), range(20))
    show(f"20 courses of {SIZES[0]:,} runs with failures: {time.process_time() - began:.2f} CPU s")


def compare_with_launch(folder: StudyFolder) -> None:
    runs: list[dict[str, Any]] = json.loads(folder.plan_json.read_text())["runs"]
    attempts = [a for run in runs for a in attempts_of(folder, run["run_id"])]
    planned = [work_of_object(run) for run in runs]
    slots = len({attempt.slot for attempt in attempts})
    real = max(a.ended for a in attempts) - min(a.intended for a in attempts)
    show(
        f"{folder.path.name}: {len(runs)} runs in {len(attempts)} attempts on {slots} slots took "
        f"{real:.1f} s"
    )
    told = {
        "as planned": {run.run_id: run.hours * 3600 for run in planned},
        "as long as its stage's function": total(attempts, lambda a: a.stage_seconds),
        "as long as its process lived": total(attempts, lambda a: a.ended - a.started),
        "from its intent on": total(attempts, lambda a: a.ended - a.intended),
    }
    for name, seconds in told.items():
        work = [replace(run, hours=seconds[run.run_id] / 3600) for run in planned]
        simulated = simulate(work, this_machine(slots)).makespan_hours * 3600
        bound = lower_bound_hours(work, this_machine(slots)) * 3600
        show(
            f"  each run {name}: simulated {simulated:.1f} s (bound {bound:.1f} s), "
            f"real / simulated {real / simulated:.3f}"
        )


def attempts_of(folder: StudyFolder, run_id: str) -> list[Attempt]:
    found: list[Attempt] = []
    for number in attempt_numbers(folder.run(run_id)):
        attempt = folder.run(run_id).attempt(number)
        intent, ending = read_intent(attempt), read_exit(attempt)
        if ending is None:
            continue
        found.append(
            Attempt(
                run_id=run_id,
                intended=datetime.fromisoformat(intent.time).timestamp(),
                started=datetime.fromisoformat(ending.started).timestamp(),
                ended=datetime.fromisoformat(ending.ended).timestamp(),
                stage_seconds=ending.seconds,
                slot=intent.slot or 0,
            )
        )
    return found


def work_of_object(run: dict[str, Any]) -> Work:
    return Work(
        run_id=run["run_id"],
        label=run["title"],
        needs=tuple(run["needs"]),
        devices=1,  # a local slot
        hours=run["wall_hours"],
    )


def total(attempts: Sequence[Attempt], seconds: Callable[[Attempt], float]) -> dict[str, float]:
    sums: dict[str, float] = {}
    for attempt in attempts:
        sums[attempt.run_id] = sums.get(attempt.run_id, 0.0) + seconds(attempt)
    return sums


def show(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        compare_with_launch(StudyFolder(Path(sys.argv[1])))
    else:
        print_growth()
