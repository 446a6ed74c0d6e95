"""The mirror at Weights & Biases: what waits to be sent, and a server that cannot be reached."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from orchestrator.launch import mirror
from orchestrator.launch.mirror import Sent, Waiting, send, unsent

if TYPE_CHECKING:
    from pathlib import Path

    from tests.orchestrator.launch.conftest import Toy


@pytest.fixture
def mirrored(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> Toy:
    """The toy study, done, with what its runs recorded offline."""
    monkeypatch.setenv("WANDB_MODE", "offline")
    done = toy.sweep("launch", "--tracking", "wandb", "--data", str(toy.root / "data"))
    assert done.returncode == 0, done.stderr
    return toy


def test_all_runs_are_listed_once_until_they_are_sent(mirrored: Toy) -> None:
    listed = mirrored.sweep("sync", "--dry-run", "--json").stdout.splitlines()
    assert [json.loads(line)["run_id"] for line in listed] == [
        run.run_id for run in mirrored.plan.runs
    ]
    (folder,) = unsent(mirrored.run_folders()[0])
    (file,) = folder.glob("*.wandb")
    file.with_name(f"{file.name}.synced").touch()  # as `wandb sync` leaves it
    assert unsent(mirrored.run_folders()[0]) == ()
    again = mirrored.sweep("sync", "--dry-run", "--json").stdout.splitlines()
    assert len(again) == len(listed) - 1


def test_a_server_out_of_reach_is_said_and_nothing_is_lost(
    mirrored: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    done = mirrored.sweep("sync", "--patience", "2", "--json")
    assert done.returncode == 2
    assert "sync again" in done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(lines) == 3  # then the rest is left for later
    assert all(line["trouble"] for line in lines)
    assert all(unsent(folder) for folder in mirrored.run_folders())


def test_runs_are_sent_in_order_and_not_faster_than_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [Waiting(run_id=str(number), folders=(tmp_path,)) for number in range(5)]
    told: list[Sent] = []
    pauses = iter([True, True, True, False])

    def refuse_one(run: Waiting, patience: float) -> str | None:
        return "no" if run.run_id == "1" and patience == 1 else None

    monkeypatch.setattr(mirror, "_send", refuse_one)
    assert not send(runs, patience=1, pause=lambda: next(pauses), told=told.append)
    assert [(sent.run_id, sent.trouble) for sent in told] == [("0", None), ("1", "no"), ("2", None)]


def test_a_dashboard_has_the_curves_of_each_stage_and_the_scores_over_each_axis(
    mirrored: Toy,
) -> None:
    done = mirrored.sweep("dashboard", "--offline")
    assert done.returncode == 0, done.stderr
    view = json.loads(mirrored.folder.dashboard.read_text())
    sections = view["spec"]["section"]["panelBankConfig"]["sections"]
    names = [section["name"] for section in sections]
    assert any(name.startswith("text_pretrain: ") for name in names)
    assert any(name.startswith("scores over ") for name in names)
    panels = [panel for section in sections for panel in section["panels"]]
    assert any(panel["config"].get("metrics") == ["loss"] for panel in panels)
    assert view["project"] == "toy"


def test_a_dashboard_that_w_and_b_does_not_take_says_what_to_do(
    mirrored: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    monkeypatch.setenv("WANDB_HTTP_TIMEOUT", "1")
    monkeypatch.setenv("WANDB_INIT_TIMEOUT", "1")
    done = mirrored.sweep("dashboard")
    assert done.returncode == 2
    assert "--offline" in done.stderr
