"""`sweep plan` as a researcher reads it: counts, costs, time, and pictures if asked for."""

import csv
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
STUDIES = sorted((ROOT / "sweeps").glob("*.yaml"))
PAPER = "sweeps/paper.yaml"


def plan(*arguments: str, seed: str = "0") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "orchestrator.cli.main", "plan", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "120", "PYTHONHASHSEED": seed},
    )


@pytest.fixture(scope="module")
def paper() -> str:
    done = plan(PAPER)
    assert done.returncode == 0, done.stderr
    return done.stdout


def row(text: str, label: str) -> list[str]:
    found = re.search(rf"^ {re.escape(label)}  +(.*)$", text, re.MULTILINE)
    assert found is not None, label
    return re.split(r"  +", found[1].strip())


@pytest.mark.parametrize("study", STUDIES, ids=lambda path: path.name)
def test_every_study_of_the_project_can_be_planned(study: Path) -> None:
    done = plan(str(study.relative_to(ROOT)))
    assert done.returncode == 0, done.stderr
    assert "Critical path" in done.stdout


def test_the_whole_study_has_about_300_models_without_its_reviewers(paper: str) -> None:
    assert 290 <= int(row(paper, "the study's own")[0]) <= 310
    assert int(row(paper, "reviewers")[0]) > 0


@pytest.mark.parametrize(
    ("arm", "feeds"),
    [
        ("timing", "figure_3, figure_4, figure_9"),
        ("ratio_after_text", "figure_5"),
        ("ratio_from_scratch", "figure_6"),
        ("instruction_mix", "figure_7"),
        ("epochs", "figure_8"),
        ("token_multiplier", "appendix_g"),
        ("scale_7b", "table_3"),
        ("frozen", "table_4"),
        ("caption_source", "table_5"),
        ("encoder", "table_6"),
        ("seeds", "table_7"),
        ("final", "table_8, table_9"),
    ],
)
def test_every_arm_of_the_study_says_what_it_feeds(paper: str, arm: str, feeds: str) -> None:
    assert row(paper, arm)[-1] == feeds


def test_the_plan_says_which_utilisation_the_published_hours_imply(paper: str) -> None:
    assert re.search(r"utilisation of 6\.\d% at open_lm_79m, 3\d\.\d% at open_lm_1b", paper)


def test_a_figure_an_arm_and_a_model_narrow_it() -> None:
    whole = len(plan(PAPER, "--json").stdout.splitlines())
    figure = plan(PAPER, "--figure", "5", "--json").stdout.splitlines()
    arm = plan(PAPER, "--arm", "ratio_after_text", "--json").stdout.splitlines()
    assert figure == arm
    assert 0 < len(arm) < whole
    small = plan(PAPER, "--arm", "ratio_after_text", "--model", "79m", "--json").stdout
    runs = [json.loads(line) for line in small.splitlines()]
    assert {run["model"] for run in runs} == {"79m"}
    assert 0 < len(runs) < len(arm)


def test_more_devices_take_less_time_and_none_takes_the_same_hours() -> None:
    few, many = (plan(PAPER, "--gpus", gpus).stdout for gpus in ("64", "1024"))
    days = [float(re.findall(r"Time: ([\d.]+) d", text)[0]) for text in (few, many)]
    assert days[0] > days[1]
    assert row(few, "text_pretrain")[4] == row(many, "text_pretrain")[4]  # device hours


def test_a_schedule_is_drawn_on_the_devices_that_were_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "gantt.svg"
    shown = plan("sweeps/smoke.yaml", "--gpus", "5", "--gantt", str(path)).stdout
    assert "on 5 devices" in shown
    assert "on 5 devices" in path.read_text()


def test_without_a_layout_runs_take_devices_until_they_end_in_time() -> None:
    bare = ["sweeps/chinchilla.yaml", "--profile", "a100", "--json"]
    alone, hurried = (
        [json.loads(line) for line in plan(*bare, *more).stdout.splitlines()]
        for more in ((), ("--longest-hours", "4"))
    )
    assert {run["devices"] for run in alone} == {1}
    assert max(run["wall_hours"] for run in alone) > 4 >= max(r["wall_hours"] for r in hurried)
    assert [run["run_id"] for run in alone] == [run["run_id"] for run in hurried]


def test_failures_cost_time_and_are_told_with_their_spread() -> None:
    rates = "node_mtbf_hours=100,checkpoint_interval_hours=2"
    shown = plan(PAPER, "--figure", "5", "--failures", rates).stdout
    lost = re.findall(r"lost device hours ([\d,]+)", shown)
    assert float(lost[0].replace(",", "")) > 0
    ettr = re.findall(r"effective training time ratio ([\d.]+)", shown)
    assert 0.5 < float(ettr[0]) < 1


def test_the_published_rates_have_a_name() -> None:
    assert "effective training time ratio" in plan(PAPER, "--failures", "published").stdout


@pytest.mark.parametrize("rates", ["node_mtbf=3", "node_mtbf_hours", "node_mtbf_hours=x", ""])
def test_rates_that_are_none_are_refused(rates: str) -> None:
    done = plan("sweeps/smoke.yaml", "--failures", rates)
    assert done.returncode == 2
    assert "node_mtbf_hours" in done.stderr


def test_csv_and_json_hold_the_same_runs_in_every_process() -> None:
    as_csv = plan(PAPER, "--csv", seed="1").stdout
    assert as_csv == plan(PAPER, "--csv", seed="2").stdout
    rows = list(csv.DictReader(io.StringIO(as_csv)))
    objects = [json.loads(line) for line in plan(PAPER, "--json").stdout.splitlines()]
    assert [row["run_id"] for row in rows] == [each["run_id"] for each in objects]
    assert [float(row["flops"]) for row in rows] == [each["flops"] for each in objects]


def test_pictures_are_drawn_where_they_are_asked_for(tmp_path: Path) -> None:
    names = ["--graph", "graph.dot", "--gantt", "gantt.png", "--grid", "my grid.svg"]
    arguments = [str(tmp_path / name) if "." in name else name for name in names]
    done = plan("sweeps/smoke.yaml", *arguments)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in tmp_path.iterdir()} >= {"graph.dot", "gantt.png", "my grid.svg"}
    assert (tmp_path / "graph.dot").read_text().startswith("digraph")
    assert (tmp_path / "gantt.png").read_bytes().startswith(b"\x89PNG")


def test_a_picture_of_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    done = plan("sweeps/smoke.yaml", "--gantt", str(tmp_path / "gantt.bmp"))
    assert done.returncode == 2
    assert ".png" in done.stderr


def test_a_profile_that_is_not_there_is_refused_with_those_that_are() -> None:
    done = plan("sweeps/smoke.yaml", "--profile", "a1000")
    assert done.returncode == 2
    assert "a100" in done.stderr


def test_a_layout_that_does_not_fit_is_refused_with_one_that_does() -> None:
    layout = "launch.layouts={7b: {gpus: 8, micro_batch: 64}}"
    done = plan(PAPER, "--set", layout, "--arm", "scale_7b")
    assert done.returncode == 2
    assert "GiB" in done.stderr
    assert "gpus" in done.stderr.splitlines()[-1]
