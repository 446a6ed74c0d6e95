"""What launching costs on this machine: 300 short runs, over the start of as many bare processes.

Run by hand: python tests/benchmarks/overhead.py
"""

import os
import sys
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path

from orchestrator.launch.config import LaunchConfig, Start
from orchestrator.launch.local import local_backend
from orchestrator.launch.session import launch_study
from orchestrator.launch.submit import Place
from orchestrator.launch.watcher import Overview
from orchestrator.plan.observed import Observed
from orchestrator.plan.plan import PlannedRun
from orchestrator.spec.execution import Execution
from orchestrator.store.attempts import spent
from orchestrator.store.data_folder import ensure_made
from orchestrator.store.layout import StudyFolder
from orchestrator.store.study_plan import load_plan

TOY = Path(__file__).parents[1] / "orchestrator" / "launch" / "toy"
SEEDS = 38


class Quiet:
    """A watcher that says nothing."""

    def started(self, run: PlannedRun, attempt: int) -> None: ...

    def ended(self, run: PlannedRun, seen: Observed, seconds: float) -> None: ...

    def look(self, overview: Overview) -> None: ...


def bare_starts(count: int) -> float:
    """Return the seconds that a bare fork of this process and its end take, one after the other."""
    began = time.perf_counter()
    for _ in range(count):
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)
    return (time.perf_counter() - began) / count


def main() -> None:
    sys.path.insert(0, str(TOY))
    os.environ["PYTHONPATH"] = str(TOY)  # for the workers
    seeds = ",".join(map(str, range(SEEDS)))
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        plan = load_plan(TOY / "study.yaml", (f"arms.timing.axes.seed=[{seeds}]",), root)
        count = len(plan.runs)
        config = LaunchConfig(data_root=root / "data", execution=Execution())
        functions = ("toy_stages:train",)
        backend = local_backend(Execution(), slots=1, start=Start.WARM, functions=functions)
        place = Place(study="toy", folder=StudyFolder(root / "toy"), backend=backend, config=config)
        ensure_made(plan, root / "data", lambda _: None)
        began = time.perf_counter()
        outcome = launch_study(
            plan, place, Quiet(), prepare=lambda: None, leaving=nullcontext(lambda: False)
        )
        wall = time.perf_counter() - began
        assert outcome.finished == count, outcome.halted
        inside = sum(spent(place.folder.run(run.run_id)).seconds for run in plan.runs)
    start = bare_starts(300)
    overhead = (wall - inside) / count
    print(f"{count} runs in one slot: {wall:.2f} s, {inside:.2f} s of it inside the stages")
    print(f"overhead of a run {1000 * overhead:.1f} ms, a bare fork {1000 * start:.1f} ms")
    print(f"beyond the process's start {1000 * (overhead - start):.1f} ms (goal: below 50 ms)")


if __name__ == "__main__":
    main()
