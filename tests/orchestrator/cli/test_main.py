"""The command as a user meets it: quick, with errors that say how to mend them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SWEEP = [sys.executable, "-m", "orchestrator.cli.main"]
HEAVY = ("torch", "scipy", "pandas", "matplotlib", "wandb", "lm_eval", "submitit", "transformers")


COMMANDS: dict[str, str] = json.loads(  # in its own process: importing Click warns
    subprocess.run(
        [
            sys.executable,
            "-c",
            "import json; from orchestrator.cli.main import COMMANDS; print(json.dumps(COMMANDS))",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
)


def sweep(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*SWEEP, *arguments], cwd=cwd, capture_output=True, text=True)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["plan", "--help"],
        ["plan", "sweeps/demo.yaml"],
        ["diff", "sweeps/demo.yaml", "sweeps/demo.yaml"],
        ["status", "sweeps/demo.yaml"],
        ["launch", "sweeps/smoke.yaml", "--dry-run"],
    ],
)
def test_quick_commands_load_nothing_heavy(arguments: list[str], tmp_path: Path) -> None:
    if arguments[0] in ("status", "launch"):
        arguments = [*arguments, "--results", str(tmp_path)]
    code = (
        "import sys\n"
        "from orchestrator.cli.main import main\n"
        f"sys.argv = ['sweep', *{arguments!r}]\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        f"print('LOADED', sorted(set({HEAVY!r}) & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "LOADED []", done.stdout + done.stderr


def test_help_names_every_command_with_its_own_first_sentence() -> None:
    shown = sweep("--help").stdout
    assert all(command in shown for command in COMMANDS)
    for command, text in COMMANDS.items():
        assert text in " ".join(sweep(command, "--help").stdout.split()), command


GROUPS = {"data": ("make",), "cluster": ("up",)}
"""Commands that have subcommands, each with one of them."""


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command: str) -> None:
    done = sweep(command, *GROUPS.get(command, ()), "--help")
    assert done.returncode == 0
    assert f"Example: sweep {command}" in " ".join(done.stdout.split())


def test_a_study_that_cannot_be_exits_with_two_and_says_how_to_mend_it(tmp_path: Path) -> None:
    path = tmp_path / "my study.yaml"
    path.write_text((ROOT / "sweeps/smoke.yaml").read_text().replace("0.3", "1.4", 1))
    done = sweep("plan", str(path))
    assert done.returncode == 2
    assert done.stdout == ""
    first, where, mend = done.stderr.splitlines()
    assert first == "sweep plan: image_ratio is 1.4, outside [0, 1]"
    assert where == f"  where: {path}: stages.image_text_pretrain.image_ratio"
    assert mend.startswith("  mend:  give a fraction")


def test_plan_as_json_has_one_object_per_run() -> None:
    done = sweep("plan", "sweeps/demo.yaml", "--json")
    runs = [json.loads(line) for line in done.stdout.splitlines()]
    assert len({run["run_id"] for run in runs}) == len(runs)
    always = {"run_id", "stage", "title", "arms", "needs", "params", "tokens", "flops", "steps"}
    assert all(always <= set(run) for run in runs)
    finetunes = [run for run in runs if run["stage"] == "finetune"]
    axes = {"model", "cooldown_point", "image_ratio", "learning_rate_rule", "epochs", "seed"}
    assert all(axes <= set(run) for run in finetunes)
    # The study: three sizes, at least 36 fine-tuned models, the cooldown points and ratios.
    assert len(finetunes) >= 36
    assert len({run["params"] for run in finetunes}) >= 3
    assert {run["cooldown_point"] for run in finetunes} >= {0, 0.4, 0.8, 1.0}
    assert {run["image_ratio"] for run in finetunes} >= {0, 0.1, 0.3}
    assert len({run["learning_rate_rule"] for run in finetunes}) == 3


def test_planning_writes_nothing(tmp_path: Path) -> None:
    done = sweep("plan", str(ROOT / "sweeps/smoke.yaml"), cwd=tmp_path)
    assert done.returncode == 0
    assert list(tmp_path.iterdir()) == []
