"""Layouts of a study reach the jobs: devices, micro-batches, shares of the weights."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from orchestrator.launch.slurm.layout import execution_of
from orchestrator.spec.execution import Execution
from orchestrator.spec.parallel import Recompute, Sharding
from orchestrator.store.study_file import load_study
from orchestrator.store.study_plan import machine_of, plan_for

ROOT = Path(__file__).parents[4]
PAPER = ROOT / "sweeps" / "paper.yaml"


def test_each_run_of_the_paper_executes_as_its_models_layout_says(tmp_path: Path) -> None:
    study = load_study(PAPER)
    layouts = {layout.model: layout.parallelism for layout in study.launch.layouts}
    plan = plan_for(study, machine_of(study, tmp_path), PAPER)
    seen: set[str] = set()
    for run in plan.runs:
        model = next((axis.value for axis in run.axes if axis.name == "model"), None)
        found = execution_of(Execution(), run, study.launch.layouts)
        rows = getattr(run.config, "batch_tokens", 0) // 2048 or getattr(
            run.config, "batch_examples", 0
        )
        if model not in layouts or not rows:
            assert found == Execution()
            continue
        layout = layouts[str(model)]
        assert (found.sharding, found.recompute) == (layout.sharding, layout.recompute)
        share = rows / run.cost.devices
        assert found.accumulation >= 1
        assert share / found.accumulation <= layout.micro_batch  # it fits, as planned
        seen.add(str(model))
    assert seen == set(layouts)
    assert {layout.sharding for layout in layouts.values()} == set(Sharding)
    assert Recompute.NOTHING in {layout.recompute for layout in layouts.values()}


@pytest.mark.slow
def test_the_whole_paper_can_be_rehearsed_where_there_is_no_slurm(tmp_path: Path) -> None:
    tree = yaml.safe_load((ROOT / "slurm" / "profiles" / "a100.yaml").read_text())
    tree["slurm"] = {"account": "lab", "gpu_type": "a100", "setup": ["module load cuda"]}
    profile = tmp_path / "mine.yaml"
    profile.write_text(yaml.safe_dump(tree))
    command = [sys.executable, "-m", "orchestrator.cli.main", "launch", str(PAPER)]
    done = subprocess.run(
        [
            *command,
            *("--profile", str(profile), "--dry-run", "--json"),
            *("--device", "cuda", "--precision", "bf16", "--results", str(tmp_path / "results")),
        ],
        cwd=ROOT,
        env={**os.environ, "PATH": str(Path(sys.executable).parent)},  # no squeue there
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    scripts = [line["script"] for line in lines if "script" in line]
    actions = [line for line in lines if "action" in line]
    assert {line["action"] for line in actions} == {"submit"}
    assert len(actions) > 1000
    assert any("#SBATCH --nodes=16" in script for script in scripts)  # 128 devices
    assert all("#SBATCH --account=lab" in script for script in scripts)
    assert all("module load cuda" in script for script in scripts)
    assert not (tmp_path / "results").exists()
