"""`sweep figures` as a user meets it: files with stable names, and what each of them lacks."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from orchestrator.plan.plan import PlannedRun
from orchestrator.spec.run import Stage
from tests.analysis.made_results import made_study, small_paper

ARMS = ("instruction_mix", "caption_source")
FIGURES, TABLES = (".png", ".pdf", ".csv"), (".csv", ".md", ".tex")


def is_text_of_cc12m(run: PlannedRun) -> bool:
    axes = {axis.name: axis.value for axis in run.axes}
    is_one = axes.get("captions") == "cc12m/captions" and axes.get("suite") == "text"
    return run.stage is Stage.EVALUATE and is_one


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of two arms, one evaluation of which was never run."""
    folder = tmp_path_factory.mktemp("a study with spaces")
    path = small_paper(folder)
    tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    tree["arms"] = {name: tree["arms"][name] for name in ARMS}
    path.write_text(yaml.safe_dump(tree, sort_keys=False), encoding="utf-8")
    made_study(path, folder, lacking=is_text_of_cc12m)
    return path


def sweep(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "orchestrator.cli.main", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True)


@pytest.fixture(scope="module")
def drawn(study: Path) -> subprocess.CompletedProcess[str]:
    return sweep("figures", str(study), "--results", ".", "--json", cwd=study.parent)


def test_every_figure_and_table_is_listed_with_its_files_and_what_it_lacks(
    study: Path, drawn: subprocess.CompletedProcess[str]
) -> None:
    assert (drawn.returncode, drawn.stderr) == (0, "")
    made = {line["name"]: line for line in map(json.loads, drawn.stdout.splitlines())}
    assert set(made) == {"figure_7", "table_2", "table_5"}
    for name, line in made.items():
        files = [study.parent / file for file in line["files"]]
        kinds = FIGURES if name.startswith("figure") else TABLES
        assert tuple(file.suffix for file in files) == kinds
        assert all(file.stem == name and file.stat().st_size > 0 for file in files)
    assert made["figure_7"]["missing"] == []
    [lacking] = made["table_5"]["missing"]
    assert lacking.endswith("text, seed 7 (not started)")


@pytest.mark.usefixtures("drawn")
def test_a_second_time_leaves_the_same_bytes_and_people_read_what_is_missing(study: Path) -> None:
    folders = [study.parent / "paper" / name for name in ("figures", "tables")]
    before = {path: path.read_bytes() for folder in folders for path in folder.iterdir()}
    again = sweep("figures", str(study), "--results", ".", cwd=study.parent)
    assert {path: path.read_bytes() for path in before} == before
    line = next(line for line in again.stdout.splitlines() if line.startswith("table_5"))
    assert "table_5.csv, .md, .tex (missing: " in line
    assert line.endswith("text, seed 7 (not started))")
