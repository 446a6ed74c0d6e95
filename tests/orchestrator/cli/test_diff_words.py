"""What is said of two studies: what is added, dropped and kept, and which change did it."""

import io
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from orchestrator.cli.diff_words import diff_objects, show_diff
from orchestrator.plan.compare.difference import Difference, difference
from orchestrator.plan.compare.effect import Effect, effects
from orchestrator.store.study_file import load_study
from orchestrator.store.study_plan import load_plan

ROOT = Path(__file__).parents[3]
SMOKE = ROOT / "sweeps" / "smoke.yaml"
Lines = dict[str, list[dict[str, Any]]]
Told = Callable[..., Lines]
Text = Callable[..., str]
Compared = Callable[..., tuple[Difference, tuple[Effect, ...]]]
PEAK = "stages.finetune.learning_rate.peak=1e-4"


@pytest.fixture
def compared(tmp_path: Path) -> Compared:
    """Compare the smoke study with a changed one, or with that of another file."""

    def compared(
        *sets: str, before: Path = SMOKE, after: Path = SMOKE
    ) -> tuple[Difference, tuple[Effect, ...]]:
        plans = (load_plan(before, results=tmp_path), load_plan(after, sets, tmp_path))
        found = difference(*plans)
        told = effects(
            load_study(before),
            load_study(after, sets),
            moved={move.contrast.place for move in found.moves},
            is_same=not found.added and not found.dropped,
        )
        return found, told

    return compared


@pytest.fixture
def lines(compared: Compared) -> Told:
    """Return the objects of `--json`, by kind."""

    def lines(*sets: str, after: Path = SMOKE) -> Lines:
        found: Lines = {}
        for line in diff_objects(*compared(*sets, after=after)):
            told = json.loads(json.dumps(line))
            found.setdefault(told.pop("kind"), []).append(told)
        return found

    return lines


@pytest.fixture
def text(compared: Compared) -> Text:
    def text(*sets: str, study: Path = SMOKE) -> str:
        console = Console(file=io.StringIO(), width=100)
        show_diff(console, *compared(*sets, before=study, after=study))
        assert isinstance(console.file, io.StringIO)
        return console.file.getvalue()

    return text


def test_json_counts_by_stage_and_arm_and_names_every_run(lines: Told, tmp_path: Path) -> None:
    told = lines(PEAK)
    before, after = (load_plan(SMOKE, sets, tmp_path) for sets in ((), (PEAK,)))
    names = [{run.run_id for run in plan.runs} for plan in (before, after)]
    [total] = told["total"]
    assert total["added"]["runs"] == len(names[1] - names[0])
    assert total["kept"]["runs"] == len(names[0] & names[1])
    for change, expected in (("added", names[1] - names[0]), ("dropped", names[0] - names[1])):
        runs = [run for run in told["run"] if run["change"] == change]
        assert {run["run_id"] for run in runs} == expected
        stages = Counter(run["stage"] for run in runs)
        assert {row["stage"]: row[change]["runs"] for row in told["stage"]} == {
            row["stage"]: stages[row["stage"]] for row in told["stage"]
        }
        arms = Counter(arm for run in runs for arm in run["arms"])
        assert {row["arm"]: row[change]["runs"] for row in told["arm"]} == {
            row["arm"]: arms[row["arm"]] for row in told["arm"]
        }
        hours = sum(run["device_hours"] for run in runs)
        assert total[change]["device_hours"] == pytest.approx(hours)


def test_one_changed_setting_is_one_line_with_its_runs(lines: Told, text: Text) -> None:
    told = lines(PEAK)
    place = "stages.finetune.learning_rate.peak"
    assert told["setting"] == [
        {"place": place, "before": 3e-3, "after": 1e-4, "runs": {"finetune": 4, "evaluate": 12}}
    ]
    assert told["declared"] == [{"place": place, "before": 3e-3, "after": 1e-4, "moves": True}]
    dropped = [run["run_id"] for run in told["run"] if run["change"] == "dropped"]
    added = [run for run in told["run"] if run["change"] == "added"]
    assert [run["instead_of"] for run in added] == dropped
    assert all(run["settings"] == [place] for run in added)
    assert f"  {place} 3e-3 -> 1e-4: 16 runs (4 finetune, 12 evaluate)\n" in text(PEAK)


def test_a_setting_that_moves_no_run_is_named_as_such(text: Text) -> None:
    shown = text(PEAK, "stages.finetune.tokens_per_example=99", "launch.layouts.10k.gpus=2")
    title, inert = shown.split("Changed in the file without moving any run:\n")
    assert inert.splitlines() == [
        "  stages.finetune.tokens_per_example 60 -> 99",
        "  launch.layouts.10k - -> {model: 10k, parallelism: {gpus: 2}}",
    ]
    assert title.endswith(
        "Changed in the file:\n  stages.finetune.learning_rate.peak 3e-3 -> 1e-4\n"
    )


def test_a_change_of_costs_alone_is_told(lines: Told, text: Text) -> None:
    told = lines("stages.finetune.tokens_per_example=120")
    assert "run" not in told
    [total] = told["total"]
    assert total["kept"]["runs"] == total["kept_before"]["runs"] == len(load_plan(SMOKE).runs)
    assert total["kept"]["tokens"] == total["kept_before"]["tokens"] + 4 * 240 * 60
    assert "The kept runs take " in text("stages.finetune.tokens_per_example=120")


def test_runs_without_a_counterpart_are_counted(text: Text) -> None:
    shown = text("arms.timing.axes.cooldown_point=[0, 60%, 80%, 100%]")
    assert "added runs take the place" not in shown
    assert "Without a counterpart: 7 runs added, 0 dropped.\n" in shown
    assert "Arms that keep all their runs" not in shown


def test_arms_that_keep_all_their_runs_are_listed_apart(text: Text) -> None:
    shown = text("arms.scaling.axes.text_tokens=[25_600, 30_720]", "arms.final.parent=timing")
    assert "Arms that keep all their runs: timing, ratio_after_text, final.\n" in shown


def test_many_different_changes_of_one_setting_are_counted(text: Text) -> None:
    # Budgets of compute come to as many tokens as whole batches allow: to others for each run.
    shown = text(
        "stages.text_pretrain.batch_tokens=131_072", study=SMOKE.with_name("chinchilla.yaml")
    )
    place = "  stages.text_pretrain.tokens"
    commonest, others = [line for line in shown.splitlines() if line.startswith(place)]
    assert commonest == f"{place} 2,283,274,240 -> 2,283,405,312: 1 run (1 text_pretrain)"
    assert others == f"{place}, 13 other changes: 13 runs (13 text_pretrain)"


def test_a_study_does_not_differ_from_itself(lines: Told, text: Text) -> None:
    told = lines()
    assert set(told) == {"total", "stage", "arm"}
    assert told["total"][0]["added"]["runs"] == told["total"][0]["dropped"]["runs"] == 0
    assert text().splitlines()[-1] == "The files declare the same."


def test_two_files_are_compared_and_only_the_second_is_changed(lines: Told, tmp_path: Path) -> None:
    other = tmp_path / "other study.yaml"
    other.write_text(SMOKE.read_text().replace("seed: 0", "seed: 5", 1))
    told = lines("seed=0", after=other)
    assert "run" not in told
    told = lines(after=other)
    assert [each["place"] for each in told["declared"]] == ["seed"]
    assert {each["place"] for each in told["setting"]} == {"seed"}
