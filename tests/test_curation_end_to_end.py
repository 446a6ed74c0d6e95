"""Filters, mixed instructions and soups on the whole path: from the study file to the scores."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator.store.layout import StudyFolder

ROOT = Path(__file__).parents[1]
SMOKE = ROOT / "sweeps" / "smoke.yaml"
ARMS: dict[str, Any] = {
    "filter": {
        "axes": {"keep": ["50%", "100%"]},
        "fixed": {"model": "10k", "cooldown_point": "80%"},
    },
    "text": {
        "fixed": {
            "model": "10k",
            "cooldown_point": "80%",
            "stages.filter.of": "text",
            "keep": "50%",
        },
    },
    "mix": {
        "axes": {"instruction_ratio": [0, "50%", "100%"]},
        "fixed": {"model": "10k", "cooldown_point": "80%"},
    },
    "soup": {
        "axes": {"soup": ["uniform", "greedy"]},
        "fixed": {"model": "10k", "cooldown_point": "80%"},
        "stages": ["text_pretrain", "image_text_pretrain", "finetune", "average", "evaluate"],
    },
}

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("curation_end_to_end")]  # one world for all


def sweep(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "orchestrator.cli.main", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "120"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[StudyFolder, list[dict[str, Any]]]:
    """Launch the study; return its folder and its runs."""
    root = tmp_path_factory.mktemp("curation")
    tree = yaml.safe_load(SMOKE.read_text())
    tree |= {"study": "curation", "arms": ARMS}
    tree["stages"]["filter"] = {"keep": "100%"}
    tree["stages"]["average"] = {"over": {"epochs": [1, 2]}, "selection": "vision"}
    path = root / "curation.yaml"
    path.write_text(yaml.safe_dump(tree))
    sweep("launch", str(path), "--data", str(root / "data"), "--results", str(root))
    runs = [json.loads(line) for line in sweep("plan", str(path), "--json").splitlines()]
    return StudyFolder(root / "curation"), runs


def counts(folder: StudyFolder, run: dict[str, Any]) -> dict[str, int]:
    return json.loads((folder.run(run["run_id"]).path / "result.json").read_text())["counts"]


def of_stage(runs: list[dict[str, Any]], stage: str) -> list[dict[str, Any]]:
    return [run for run in runs if run["stage"] == stage]


def test_a_filter_keeps_its_share_and_a_branch_reads_that_alone(
    finished: tuple[StudyFolder, list[dict[str, Any]]],
) -> None:
    folder, runs = finished
    found = counts(folder, filter_of(finished, "captions"))
    assert found["skipped_samples"] == 0
    assert found["kept_captions"] == found["captions"] // 2
    passes = {
        run["keep"]: counts(folder, run)["caption_passes"]
        for run in of_stage(runs, "image_text_pretrain")
        if run["instruction_ratio"] == 0 and run["arms"] != ["text"]
    }
    assert set(passes) == {0.5, 1.0}
    assert passes[0.5] > passes[1.0]  # the same tokens from half of the captions


def filter_of(finished: tuple[StudyFolder, list[dict[str, Any]]], what: str) -> dict[str, Any]:
    folder, runs = finished
    [run] = [run for run in of_stage(runs, "filter") if what in counts(folder, run)]
    return run


def test_a_trunk_reads_the_documents_that_were_kept_alone(
    finished: tuple[StudyFolder, list[dict[str, Any]]],
) -> None:
    folder, runs = finished
    kept = filter_of(finished, "documents")
    found = counts(folder, kept)
    assert found["kept_documents"] == pytest.approx(found["documents"] / 2, abs=1)
    trunks = of_stage(runs, "text_pretrain")
    [on_kept] = [run for run in trunks if kept["run_id"] in run["needs"]]
    [scorer] = [run for run in trunks if run["run_id"] in kept["needs"]]
    assert found["kept_sequences"] * 129 + found["tokens_left_over"] < found["scored_tokens"]
    texts = [(folder.run(run["run_id"]).path / "metrics.jsonl") for run in (on_kept, scorer)]
    assert texts[0].read_bytes() != texts[1].read_bytes()  # of the same seed, on other sequences
    [branch] = [run for run in runs if on_kept["run_id"] in run["needs"] if "text" in run["arms"]]
    assert kept["run_id"] in branch["needs"]


def test_a_mixture_has_its_share_of_instructions(
    finished: tuple[StudyFolder, list[dict[str, Any]]],
) -> None:
    folder, runs = finished
    for run in of_stage(runs, "image_text_pretrain"):
        found = counts(folder, run)
        sequences = found["image_tokens"] / 128
        expected = run["instruction_ratio"] * sequences
        assert found.get("instruction_sequences", 0) == pytest.approx(expected, abs=0.5)


def test_soups_are_made_of_their_members_and_asked_all_suites(
    finished: tuple[StudyFolder, list[dict[str, Any]]],
) -> None:
    folder, runs = finished
    soups = {run["soup"]: run for run in of_stage(runs, "average")}
    assert set(soups) == {"uniform", "greedy"}
    assert counts(folder, soups["uniform"])["members_taken"] == 2
    assert 1 <= counts(folder, soups["greedy"])["members_taken"] <= 2
    for soup in soups.values():
        suites = {run["suite"] for run in runs if run["needs"][:1] == [soup["run_id"]]}
        assert suites == {"text", "vision", "vision_blind"}
