"""Time to submit 300 runs: ours, map_array of submitit, a loop of sbatch; and 10,000 runs.

Run by hand on a rehearsed cluster, which must be up and named by SLURM_CONF:

    eval "$(sweep cluster env)"; python tests/benchmarks/submitting.py
"""

import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import submitit

from orchestrator.launch.config import LaunchConfig
from orchestrator.launch.slurm import real
from orchestrator.launch.slurm.answers import CommandOutput
from orchestrator.launch.slurm.cluster import Cluster
from orchestrator.launch.slurm.real import RealSlurm
from orchestrator.launch.slurm.rounds import Rounds, Timing
from orchestrator.launch.watcher import Overview
from orchestrator.plan.observed import Observed
from orchestrator.plan.plan import PlannedRun
from orchestrator.spec.execution import Execution
from orchestrator.store.layout import StudyFolder
from orchestrator.store.profile_file import load_profile
from orchestrator.store.records import claim_study
from orchestrator.store.study_file import load_study
from orchestrator.store.study_plan import machine_of, plan_for

TOY = Path(__file__).parents[1] / "orchestrator" / "launch" / "toy"
RUNS_OF_A_SEED = 8


class Quiet:
    """A watcher that says nothing."""

    def started(self, run: PlannedRun, attempt: int) -> None: ...

    def ended(self, run: PlannedRun, seen: Observed, seconds: float) -> None: ...

    def look(self, overview: Overview) -> None: ...


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def ours(runs: int, root: Path) -> tuple[float, float, Counter[str]]:
    """Return the seconds of a launch, of a round after it, and Slurm's commands in both."""
    seeds = ",".join(map(str, range(round(runs / RUNS_OF_A_SEED))))
    study = load_study(TOY / "study.yaml", (f"arms.timing.axes.seed=[{seeds}]",))
    plan = plan_for(study, machine_of(study, root, "rehearsal"), TOY / "study.yaml")
    profile = load_profile("rehearsal")
    assert profile.slurm is not None
    site = replace(profile.slurm, sbatch_per_minute=100_000)
    folder = StudyFolder(root / "toy")
    claim_study(folder, "toy")
    cluster = Cluster(
        study="toy",
        folder=folder,
        profile=profile,
        site=site,
        scheduler=RealSlurm(site),
        config=LaunchConfig(data_root=root, execution=Execution()),
        python=sys.executable,
        code=None,
    )
    calls: Counter[str] = Counter()
    plain = real.run_command

    def counting(command: tuple[str, ...], *, cwd: Path | None = None) -> CommandOutput:
        calls[command[0]] += 1
        return plain(command, cwd=cwd)

    real.run_command = counting
    timing = Timing(now=lambda: datetime.now(UTC), sleep=lambda _: False)

    def one_round() -> None:
        Rounds(plan, cluster, Quiet(), timing).run(lambda: False, stay=False)

    try:
        return timed(one_round), timed(one_round), calls
    finally:
        real.run_command = plain


def map_array(runs: int, root: Path) -> float:
    executor = submitit.SlurmExecutor(root / "submitit")
    executor.update_parameters(time=30, array_parallelism=runs)
    return timed(lambda: executor.map_array(abs, range(runs)))


def sbatch_loop(runs: int, root: Path) -> float:
    command = ["sbatch", "--parsable", "-o", "/dev/null", "--wrap=true"]

    def loop() -> None:
        for _ in range(runs):
            subprocess.run(command, cwd=root, check=True, capture_output=True)

    return timed(loop)


def main() -> None:
    """Print seconds and ratios."""
    partition = ["scontrol", "update", "PartitionName=main"]
    subprocess.run([*partition, "State=DOWN"], check=True)  # jobs wait: submitting is timed
    try:
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            seconds, again, calls = ours(300, root / "small")
            reference, loop = map_array(300, root), sbatch_loop(300, root)
            print(f"300 runs with dependencies: {seconds:.2f} s; {dict(calls)}")
            print(f"the next round: {again:.2f} s")
            print(f"submitit's map_array, 300 without: {reference:.2f} s")
            print(f"ratio to map_array: {seconds / reference:.2f}")
            print(f"a loop of sbatch: {loop:.2f} s; ratio {seconds / loop:.2f}")
            seconds, again, calls = ours(10_000, root / "large")
            print(f"10,000 runs: {seconds:.1f} s, next round {again:.1f} s, {dict(calls)}")
    finally:
        subprocess.run([*partition, "State=UP"], check=True)
        subprocess.run(["scancel", "--partition=main"], check=True)


if __name__ == "__main__":
    main()
