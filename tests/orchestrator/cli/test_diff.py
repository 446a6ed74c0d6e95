"""`sweep diff` as a user meets it: two files, a value set for the second, exit codes."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
SMOKE = ROOT / "sweeps" / "smoke.yaml"
HEAVY = ("torch", "scipy", "numpy", "pandas", "matplotlib", "wandb", "lm_eval", "submitit")
PEAK = "stages.finetune.learning_rate.peak=1e-4"


def sweep(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "orchestrator.cli.main", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True)


def test_a_value_is_set_for_the_second_study_alone(tmp_path: Path) -> None:
    other = tmp_path / "other study.yaml"
    other.write_text(SMOKE.read_text().replace("seed: 0", "seed: 5", 1))
    done = sweep("diff", str(other), str(other), "--set", "seed=0", "--json", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    told = [json.loads(line) for line in done.stdout.splitlines()]
    [declared] = [line for line in told if line["kind"] == "declared"]
    assert (declared["place"], declared["before"], declared["after"]) == ("seed", 5, 0)
    done = sweep("diff", str(other), str(SMOKE), cwd=tmp_path)
    assert done.returncode == 0
    assert "  seed 5 -> 0: " in done.stdout


def test_diff_exits_with_zero_loads_nothing_heavy_and_writes_nothing(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from orchestrator.cli.main import main\n"
        f"sys.argv = ['sweep', 'diff', {str(SMOKE)!r}, {str(SMOKE)!r}, '--set', {PEAK!r}]\n"
        "try:\n    main()\nexcept SystemExit as end:\n    print('EXIT', end.code or 0)\n"
        f"print('LOADED', sorted(set({HEAVY!r}) & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-2:] == ["EXIT 0", "LOADED []"]
    assert list(tmp_path.iterdir()) == []


def test_a_study_that_cannot_be_exits_with_two(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "orchestrator.cli.main", "diff", str(SMOKE), str(SMOKE)]
    done = subprocess.run(
        [*command, "--set", "stages.finetune.epochs=-1"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("sweep diff: epochs is -1")
