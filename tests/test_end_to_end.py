"""The whole path on real training: plan, data, launch, evaluate, fit, draw, report.

One study is run undisturbed, and again with Ctrl-C in the middle; both must leave the same files.
"""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from models.training.checkpoint import newest_valid
from orchestrator.store.layout import StudyFolder

ROOT = Path(__file__).parents[1]
SMOKE = ROOT / "sweeps" / "smoke.yaml"
SWEEP = [sys.executable, "-m", "orchestrator.cli.main"]
PATIENCE_SECONDS = 300

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("end_to_end")]  # one world for all


def sweep(*arguments: str) -> str:
    done = subprocess.run(
        [*SWEEP, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_SECONDS
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data with a space")
    sweep("data", "make", str(SMOKE), "--data", str(root))
    return root


@pytest.fixture(scope="module")
def finished(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of an undisturbed launch."""
    root = tmp_path_factory.mktemp("results")
    sweep("launch", str(SMOKE), "--data", str(world), "--results", str(root))
    return root


def what_a_study_found(root: Path) -> dict[str, str]:
    """Hash every file of every run that must not depend on how often it was interrupted."""
    runs = StudyFolder(root / "smoke").runs
    kept = ("result.json", "DONE", "metrics.jsonl", "run.json")
    files = [
        path
        for path in runs.rglob("*")
        if path.is_file() and (path.name in kept or {"checkpoints", "artifacts"} & set(path.parts))
    ]
    return {
        str(path.relative_to(runs)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files
    }


def test_every_run_is_done_once_and_its_scores_are_in_range(finished: Path) -> None:
    folder = StudyFolder(finished / "smoke")
    planned = [json.loads(line) for line in sweep("plan", str(SMOKE), "--json").splitlines()]
    assert {run["run_id"] for run in planned} == {path.name for path in folder.runs.iterdir()}
    for run in planned:
        assert len(list(folder.run(run["run_id"]).attempts.iterdir())) == 1
        assert folder.run(run["run_id"]).done.exists()


def test_an_interrupted_study_ends_with_the_same_files(
    world: Path, finished: Path, tmp_path: Path
) -> None:
    launch = ["launch", str(SMOKE), "--data", str(world), "--results", str(tmp_path)]
    # A shell that started these tests in the background ignores Ctrl-C, and so would a launcher.
    command = ["env", "--default-signal=INT", *SWEEP, *launch]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        wait_for_some_results(tmp_path, count=4)
        os.kill(process.pid, signal.SIGINT)
        process.communicate(timeout=PATIENCE_SECONDS)
        assert process.returncode == 130
    done_by_then = len(list(StudyFolder(tmp_path / "smoke").runs.glob("*/DONE")))
    assert done_by_then < len(list(StudyFolder(finished / "smoke").runs.iterdir()))
    sweep(*launch)
    assert what_a_study_found(tmp_path) == what_a_study_found(finished)
    attempts = StudyFolder(tmp_path / "smoke").runs.glob("*/attempts/*")
    assert {path.name for path in attempts} == {"1"}


def wait_for_some_results(root: Path, count: int) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while len(list(root.glob("smoke/runs/*/DONE"))) < count:
        assert time.monotonic() < deadline, "no run was done in time"
        time.sleep(0.1)


def test_a_finished_study_starts_nothing_when_launched_again(world: Path, finished: Path) -> None:
    before = what_a_study_found(finished)
    said = sweep("launch", str(SMOKE), "--data", str(world), "--results", str(finished))
    assert "0 of them now" in said
    assert what_a_study_found(finished) == before


def test_what_is_not_needed_goes_only_when_told_and_the_study_still_grows(
    world: Path, finished: Path, tmp_path: Path
) -> None:
    shutil.copytree(finished / "smoke", tmp_path / "smoke")
    files = what_a_study_found(tmp_path)
    gc = ["gc", str(SMOKE), "--results", str(tmp_path), "--json"]
    shown = {json.loads(line)["run_id"] for line in sweep(*gc).splitlines()}
    assert shown
    assert what_a_study_found(tmp_path) == files
    sweep(*gc, "--yes")
    gone = set(files) - set(what_a_study_found(tmp_path))
    assert gone == {name for name in files if name[:12] in shown and "/checkpoints/" in name}
    assert sweep(*gc) == ""
    launch = ["launch", str(SMOKE), "--data", str(world), "--results", str(tmp_path)]
    assert "0 of them now" in sweep(*launch)
    more = ["--set", "arms.timing.axes.cooldown_point=[0, 50%, 80%, 100%]"]
    assert "0 of them now" not in sweep(*launch, *more)
    sweep(*gc, *more, "--keep", "needed", "--yes")
    checkpoints = list(tmp_path.glob("smoke/runs/*/checkpoints"))
    assert checkpoints
    assert not list(tmp_path.rglob("optimizer.safetensors"))
    assert all(newest_valid(folder) for folder in checkpoints)  # without it they are still valid


def test_results_fits_figures_and_report_follow(finished: Path) -> None:
    folder = StudyFolder(finished / "smoke")
    for command in ("results", "fit", "figures", "report"):
        sweep(command, str(SMOKE), "--results", str(finished))
    table = pd.read_parquet(folder.tables / "results.parquet")
    assert not table.duplicated(["run_id", "suite", "benchmark", "metric"]).any()
    scores = table[table["metric"].isin(["accuracy", "acc", "score"])]
    assert scores["value"].between(0, 1).all()
    assert scores[["n", "stderr"]].notna().all().all()
    suites = {"loss", "text", "vision", "vision_blind"}
    assert suites <= set(table["suite"])
    assert len(pd.read_csv(folder.tables / "results.csv")) == len(table)
    fits = [json.loads(path.read_text()) for path in folder.fits.glob("*.json")]
    assert fits
    assert {path.stem for path in folder.figures.glob("*.png")} >= {
        "figure_3",
        "figure_4",
        "figure_5",
        "scaling",
        "controls",
    }
    page = folder.report.read_text()
    assert "two CPU cores" in page
    assert page.count("data:image/png;base64,") >= 5


def test_two_models_are_compared_question_by_question(finished: Path) -> None:
    planned = [json.loads(line) for line in sweep("plan", str(SMOKE), "--json").splitlines()]
    models = [run["run_id"] for run in planned if run["stage"] == "finetune"][:2]
    said = sweep("results", "compare", *models, "--results", str(finished), "--json")
    lines = [json.loads(line) for line in said.splitlines()]
    assert {line["suite"] for line in lines} >= {"vision", "vision_blind"}
    for line in lines:
        assert line["n"] > 0
        assert (line["only_a"], line["only_b"]) == (0, 0)
        assert line["low"] <= line["difference"] <= line["high"]
    sweep("results", str(SMOKE), "--results", str(finished))
    table = pd.read_parquet(StudyFolder(finished / "smoke").tables / "results.parquet")
    asked = table[(table["suite"] == "vision") & (table["benchmark"] == "shapeworld_vqa")]
    shown = next(x for x in lines if (x["suite"], x["benchmark"]) == ("vision", "shapeworld_vqa"))
    assert any(shown["score_a"] == pytest.approx(value) for value in asked["value"])
