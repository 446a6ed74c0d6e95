"""`sweep fit` as a user meets it: what is resampled is a choice, kept in the record and shown."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from analysis.laws.law import Array
from tests.analysis.made_answers import normal, write_answers
from tests.analysis.made_results import made_study, small_paper


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study file beside the folder of its results."""
    folder = tmp_path_factory.mktemp("fit")
    path = small_paper(folder)
    tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    tree["arms"] = {name: tree["arms"][name] for name in ("ratio_after_text", "timing")}
    tree["arms"]["ratio_after_text"]["axes"]["image_ratio"] = [0, "5%", "10%", "20%", "30%"]
    path.write_text(yaml.safe_dump(tree, sort_keys=False), encoding="utf-8")
    write_answers(made_study(path, folder), deviations)
    return path


def deviations(run_id: str, benchmark: str) -> Array:
    return 0.05 * normal(run_id, benchmark)


def sweep_fit(study: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "orchestrator.cli.main", "fit", str(study)]
    return subprocess.run(
        [*command, "--results", str(study.parent), *options], capture_output=True, text=True
    )


def records(study: Path, *options: str) -> dict[str, Any]:
    said = sweep_fit(study, "--json", *options)
    assert said.returncode == 0, said.stderr
    found = [json.loads(line) for line in said.stdout.splitlines()]
    return {record["name"]: record for record in found}


def test_questions_are_drawn_where_asked(study: Path) -> None:
    name = "vision_of_image_ratio"
    plain, asked = records(study)[name], records(study, "--questions")[name]
    assert "questions" not in plain
    assert plain["interval"]["question_share"] is None
    assert sum(asked["questions"]["benchmarks"].values()) == 240
    assert "240 questions of 3 benchmarks" in sweep_fit(study, "--questions").stdout.replace(
        "\n", " "
    )


def test_a_cluster_is_a_column_of_the_losses(study: Path) -> None:
    wrong = sweep_fit(study, "--cluster", "colour")
    assert wrong.returncode == 2
    assert "no column colour to cluster by" in wrong.stderr
    assert "such as params or seed" in wrong.stderr
    refused = records(study, "--cluster", "params")["loss_of_flops"]
    assert refused["status"] == "refused"
    assert "of the 5 clusters by params" in refused["refusal"]["what"]
