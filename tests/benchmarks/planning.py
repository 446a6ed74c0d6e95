"""How quickly studies are planned: growth from 1,000 to 100,000 runs, and whole commands.

Run by hand: `python tests/benchmarks/planning.py`. The reference for planning is the bare work of
naming each run the plain way (its config as a dictionary, `json.dumps`, SHA-256); for commands, an
interpreter that does nothing. CPU time of one process, so that a busy machine matters little.
"""

import hashlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from orchestrator.plan.cost.throughput import Machine
from orchestrator.plan.plan import Plan
from orchestrator.spec.codec import encode
from orchestrator.store.study_file import load_study
from orchestrator.store.study_plan import plan_for

ROOT = Path(__file__).parents[2]
SEEDS = {1_000: 1, 10_000: 8, 100_000: 80}
"""Seeds that give a study of about so many runs."""
LIMIT_SECONDS, LIMIT_MIB = 5.0, 1024


def study(seeds: int) -> dict[str, Any]:
    """Return the demo's study as one large grid."""
    tree = yaml.safe_load((ROOT / "sweeps" / "demo.yaml").read_text())
    axes = {
        "model": ["27k", "55k", "107k"],
        "seed": list(range(seeds)),
        "cooldown_point": [0, "20%", "40%", "60%", "80%", "100%"],
        "image_ratio": [0, "1%", "5%", "10%", "20%", "30%", "50%"],
        "epochs": [1, 2],
    }
    return {**tree, "arms": {"all": {"axes": axes}}}


def timed_plan(tree: dict[str, Any]) -> tuple[Plan, float]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "study.yaml"
        path.write_text(yaml.safe_dump(tree))
        began = time.process_time()
        plan = plan_for(load_study(path), Machine(), path)
        return plan, time.process_time() - began


def named_plainly(plan: Plan) -> float:
    """Return the seconds of naming every run the plain way."""
    began = time.process_time()
    for run in plan.runs:
        text = json.dumps(encode(run.config), sort_keys=True)
        hashlib.sha256(text.encode()).hexdigest()
    return time.process_time() - began


def command(arguments: Iterable[str], repeats: int = 7) -> float:
    """Return the least wall time of a command in seconds."""
    times: list[float] = []
    for _ in range(repeats):
        began = time.perf_counter()
        subprocess.run([sys.executable, *arguments], cwd=ROOT, check=True, capture_output=True)
        times.append(time.perf_counter() - began)
    return min(times)


def main() -> None:
    previous = None
    for seeds in SEEDS.values():
        plan, seconds = timed_plan(study(seeds))
        plainly = named_plainly(plan)
        mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        each = seconds / len(plan.runs)
        growth = "" if previous is None else f", {each / previous:.2f} x the time per run"
        print(
            f"{len(plan.runs):>7,} runs: {seconds:.2f} s, {each * 1e6:.0f} us a run{growth}; "
            f"{seconds / plainly:.2f} x naming them plainly; {mib:.0f} MiB"
        )
        previous = each
        if len(plan.runs) >= 100_000:
            print(f"  limits: {LIMIT_SECONDS} s and {LIMIT_MIB} MiB")
    bare = command(["-c", "pass"])
    print(f"bare interpreter {bare:.3f} s")
    for words in (["--help"], ["plan", "sweeps/demo.yaml"], ["plan", "sweeps/paper.yaml"]):
        taken = command(["-m", "orchestrator.cli.main", *words])
        print(f"sweep {' '.join(words)}: {taken:.2f} s, {taken / bare:.1f} x the interpreter")


if __name__ == "__main__":
    main()
