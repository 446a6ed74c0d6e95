"""What must hold of every file: no pickles are loaded; folders of others are refused kindly."""

from __future__ import annotations

import ast
import ctypes
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = [
    path
    for name in ("orchestrator", "models", "analysis", "slurm")
    for path in (ROOT / name).rglob("*.py")
]
UNPICKLING = {"load", "loads", "Unpickler", "read_pickle", "DelayedSubmission", "DelayedJobResult"}
PICKLERS = {"pickle", "cloudpickle", "dill", "joblib", "shelve"}
TOY = ROOT / "tests" / "orchestrator" / "launch" / "toy"


def calls(path: Path) -> list[ast.Call]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call)]


def unpickling(path: Path) -> list[str]:
    """Return the calls that would run what a file says."""
    found: list[str] = []
    for call in calls(path):
        name = ast.unparse(call.func)
        module, _, last = name.rpartition(".")
        given = {word.arg: ast.unparse(word.value) for word in call.keywords}
        if (
            (module in PICKLERS and last in UNPICKLING)
            or last == "read_pickle"
            or (name == "torch.load" and given.get("weights_only") != "True")
            or (last == "load" and given.get("allow_pickle", "False") != "False")
        ):
            found.append(f"{path}:{call.lineno} {name}")
    return found


def test_no_code_unpickles_what_it_finds() -> None:
    assert len(SOURCES) > 200
    assert [call for path in SOURCES for call in unpickling(path)] == []


@pytest.mark.parametrize(
    "line",
    [
        "pickle.load(f)",
        "pd.read_pickle(p)",
        "torch.load(p)",
        "torch.load(p, weights_only=False)",
        "np.load(p, allow_pickle=True)",
    ],
)
def test_the_search_finds_what_it_looks_for(tmp_path: Path, line: str) -> None:
    bad = tmp_path / "bad.py"
    bad.write_text(line)
    assert unpickling(bad)


CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, PR_CAPBSET_DROP = 1, 2, 24


def without_privilege() -> None:
    """Let permissions hold for this process, even if it is root's."""
    if os.getuid() == 0:
        libc = ctypes.CDLL(None, use_errno=True)
        for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
            libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)


@pytest.mark.parametrize("command", ["launch", "results", "pause", "gc"])
def test_a_results_folder_that_may_not_be_written_is_refused_kindly(
    tmp_path: Path, command: str
) -> None:
    results = tmp_path / "results of others"
    toy = [str(TOY / "study.yaml"), "--results", str(results)]
    data = ["--data", str(tmp_path / "data")]
    main = [sys.executable, "-c", "from orchestrator.cli.main import main; main()"]
    environment = {**os.environ, "PYTHONPATH": str(TOY)}
    done = subprocess.run(
        [*main, "launch", *toy, *data], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    folders = [path for path in [results, *results.rglob("*")] if path.is_dir()]
    for folder in folders:
        folder.chmod(0o500)
    (results / "toy" / "launch.lock").chmod(0o400)
    extra = {"launch": data, "pause": ["--arm", "timing", "--set", "arms.timing.axes.seed=[7]"]}
    more = {"gc": ["--keep", "needed", "--yes"]}
    try:
        refused = subprocess.run(
            [*main, command, *toy, *extra.get(command, []), *more.get(command, [])],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            preexec_fn=without_privilege,
        )
    finally:
        for folder in folders:
            folder.chmod(0o700)
    assert refused.returncode == 2, refused.stdout + refused.stderr
    assert "Traceback" not in refused.stderr
    for words in ("permission denied", "it belongs to", str(results), "--results"):
        assert words in refused.stderr
