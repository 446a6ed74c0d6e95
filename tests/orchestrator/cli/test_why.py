"""`sweep why` as a user meets it: by the beginning of a name, with a state once there is one."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.cli.why_words import why_object
from orchestrator.plan.compare.why import why_of
from orchestrator.plan.plan import Plan
from orchestrator.spec.run import Stage
from orchestrator.store.layout import StudyFolder
from orchestrator.store.study_plan import load_plan

SMOKE = Path(__file__).parents[3] / "sweeps" / "smoke.yaml"
HEAVY = ("torch", "scipy", "numpy", "pandas", "matplotlib", "wandb", "lm_eval", "submitit")


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return load_plan(SMOKE, results=tmp_path)


def sweep(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "orchestrator.cli.main", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True)


def test_a_run_is_explained_by_the_beginning_of_its_name(tmp_path: Path) -> None:
    value = "stages.finetune.epochs=3"
    plan = load_plan(SMOKE, (value,), tmp_path)
    run = next(run for run in plan.runs if run.stage is Stage.FINETUNE)
    asked = ("why", str(SMOKE), run.run_id[:11], "--set", value)
    done = sweep(*asked, "--json", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    [line] = done.stdout.splitlines()
    assert json.loads(line) == json.loads(json.dumps(why_object(why_of(plan, run), None)))
    assert sweep(*asked, cwd=tmp_path).stdout.startswith(f"finetune {run.run_id}: {run.title}\n")


def test_a_launched_run_has_the_state_that_status_gives(plan: Plan, tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path / "the results" / plan.study)
    damaged, waiting = plan.runs[1], plan.runs[-1]
    folder.run(damaged.run_id).path.mkdir(parents=True)
    folder.run(damaged.run_id).run_json.write_text("{")
    results = ("--results", "the results")
    done = sweep("status", str(SMOKE), *results, "--json", cwd=tmp_path)
    lines = {line["run_id"]: line for line in map(json.loads, done.stdout.splitlines())}
    for run, state in ((damaged, "unknown"), (waiting, "planned")):
        done = sweep("why", str(SMOKE), run.run_id, *results, "--json", cwd=tmp_path)
        told = json.loads(done.stdout)["state"]
        assert told == lines[run.run_id]
        assert told["state"] == state


@pytest.mark.parametrize("name", ["zz", ""])
def test_a_name_of_no_run_or_of_several_exits_with_two_and_names_candidates(
    name: str, plan: Plan, tmp_path: Path
) -> None:
    done = sweep("why", str(SMOKE), name, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    first, where, mend = done.stderr.splitlines()
    assert first.startswith("sweep why: ")
    assert repr(name) in first
    assert where == "  where: RUN"
    assert any(run.run_id in mend for run in plan.runs)


def test_why_loads_nothing_heavy_and_writes_nothing(plan: Plan, tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from orchestrator.cli.main import main\n"
        f"sys.argv = ['sweep', 'why', {str(SMOKE)!r}, {plan.runs[-1].run_id!r}]\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        f"print('LOADED', sorted(set({HEAVY!r}) & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert plan.runs[-1].run_id in done.stdout
    assert done.stdout.splitlines()[-1] == "LOADED []"
    assert list(tmp_path.iterdir()) == []
