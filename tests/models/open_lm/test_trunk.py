"""OpenLM's trainer trains a trunk: its end, its stops, its failures, as its files tell them."""

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from models.data.shards import write_token_shards
from models.open_lm import process
from models.open_lm.trunk import newest_step, text_pretrain
from models.training import checkpoint, checkpoint_folders
from orchestrator.errors import ConfigError, DataError, RecordError
from orchestrator.spec.guard import BadStep, Guard
from orchestrator.spec.identity import run_id
from orchestrator.spec.optimizer import Decay
from orchestrator.store.stage import DivergedError, StoppedError
from tests.models.open_lm.conftest import BATCH, REAL, STEPS, T, segment

Contexts = Callable[..., Any]
standin_only = pytest.mark.skipif(REAL is not None, reason="only the stand-in can be told to")


@pytest.fixture(autouse=True)
def looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "LOOK_SECONDS", 0.02)


def files(context: Any) -> Path:
    return context.folder.artifacts / "open_lm" / "trunk" / "checkpoints"


def assert_alike(one: Any, other: Any) -> None:
    mine, yours = (checkpoint.finished(context.folder) for context in (one, other))
    assert (mine.step, mine.position) == (yours.step, yours.position)
    assert mine.optimizer is not None
    assert yours.optimizer is not None
    for ours, theirs in ((mine.weights, yours.weights), (mine.optimizer, yours.optimizer)):
        assert ours.keys() == theirs.keys()
        assert all(torch.allclose(ours[name], theirs[name], atol=1e-6) for name in ours)


def test_a_trunk_ends_as_one_of_our_checkpoints(contexts: Contexts) -> None:
    context = contexts(segment(STEPS))
    result = text_pretrain(context)
    assert result.counts == {
        "steps": STEPS,
        "tokens": STEPS * BATCH,
        "text_tokens": STEPS * BATCH,
    }
    losses = {measure.benchmark: measure.value for measure in result.measures}
    assert losses["val_text_loss"] is not None
    assert losses["val_text_loss"] < 3.3  # a guesser's is log 32 = 3.47
    saved = checkpoint.finished(context.folder)
    assert (saved.step, saved.position) == (STEPS, STEPS * BATCH)
    assert saved.optimizer is not None
    assert float(saved.optimizer["decoder.norm.weight.step"]) == STEPS
    assert context.reports[-1].step == STEPS
    again = contexts(segment(STEPS))
    assert text_pretrain(again) == result
    assert again.reports == []


def test_a_trunk_in_segments_is_the_trunk_in_one_go(contexts: Contexts) -> None:
    whole = contexts(segment(STEPS), runs="whole")
    text_pretrain(whole)
    previous = None
    for end in (4, 6, STEPS):
        part = contexts(segment(end), runs="parts", previous=previous)
        text_pretrain(part)
        previous = run_id(segment(end))
        assert checkpoint.finished(part.folder).step == end
        assert {path.suffix for path in files(part).iterdir()} == {".pt"}
        assert len(list(files(part).iterdir())) == 3  # it may have gone on before it was ended
    assert_alike(whole, contexts(segment(STEPS), runs="parts"))


def test_a_stop_costs_what_is_since_the_last_checkpoint(
    contexts: Contexts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STANDIN_STEP_SECONDS", "0.05")
    stopped = contexts(segment(STEPS), stop_after=1)
    with pytest.raises(StoppedError, match="step"):
        text_pretrain(stopped)
    assert checkpoint_folders.newest_valid(stopped.folder.checkpoints) is None
    reached = newest_step(files(stopped))
    assert reached is not None
    assert 0 < reached < STEPS
    context = contexts(segment(STEPS))
    text_pretrain(context)
    undisturbed = contexts(segment(STEPS), runs="undisturbed")
    text_pretrain(undisturbed)
    assert_alike(context, undisturbed)


@standin_only
@pytest.mark.parametrize("file", ["epoch_2", "optimizer_2", "stats_2"])
def test_a_checkpoint_that_was_not_finished_is_set_aside(
    contexts: Contexts, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    monkeypatch.setenv("STANDIN_DIE", file)
    context = contexts(segment(STEPS))
    with pytest.raises(RecordError, match="before the segment's end"):
        text_pretrain(context)
    assert newest_step(files(context)) == 6
    monkeypatch.delenv("STANDIN_DIE")
    text_pretrain(contexts(segment(STEPS)))
    aside = {path.name for path in (files(context) / "incomplete").glob("*")}
    assert (
        aside
        == {
            "epoch_2": set[str](),
            "optimizer_2": {"epoch_2.pt"},
            "stats_2": {"epoch_2.pt", "optimizer_2.pt"},
        }[file]
    )
    undisturbed = contexts(segment(STEPS), runs="undisturbed")
    text_pretrain(undisturbed)
    assert_alike(context, undisturbed)


@standin_only
def test_an_end_without_error_is_not_taken_for_one_with_a_result(
    contexts: Contexts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STANDIN_SPOIL", "5")
    context = contexts(segment(STEPS))
    with pytest.raises(DivergedError):
        text_pretrain(context)
    assert checkpoint_folders.newest_valid(context.folder.checkpoints) is None
    monkeypatch.delenv("STANDIN_SPOIL")
    monkeypatch.setenv("STANDIN_DIE", "epoch_1")
    with pytest.raises(RecordError):  # of another cause, though the log still tells of the first
        text_pretrain(contexts(segment(STEPS)))


def test_a_checkpoint_that_was_not_yet_taken_over_is_taken_over(contexts: Contexts) -> None:
    context = contexts(segment(STEPS))
    text_pretrain(context)
    before = checkpoint.finished(context.folder)
    (folder,) = context.folder.checkpoints.iterdir()
    for file in folder.iterdir():
        file.unlink()
    text_pretrain(contexts(segment(STEPS)))  # OpenLM itself would refuse: it has seen all
    after = checkpoint.finished(context.folder)
    assert all(torch.equal(before.weights[name], after.weights[name]) for name in before.weights)


def test_an_end_within_a_shard_is_refused_with_budgets_that_are_none(contexts: Contexts) -> None:
    context = contexts(segment(5))
    with pytest.raises(ConfigError) as caught:
        text_pretrain(context)
    assert "cannot stop at 320 tokens" in caught.value.what
    assert "multiples of 128 tokens" in caught.value.mend
    assert not files(context).exists()


def test_a_manifest_without_a_last_newline_is_refused(contexts: Contexts) -> None:
    context = contexts(segment(STEPS))
    manifest = context.data_root / "words-1" / "text" / "manifest.jsonl"
    manifest.write_text(manifest.read_text().rstrip("\n"))
    with pytest.raises(DataError) as caught:
        text_pretrain(context)
    assert "newline" in caught.value.mend


@pytest.mark.parametrize("length", [T, T + 2])
def test_sequences_of_another_length_are_refused(contexts: Contexts, length: int) -> None:
    context = contexts(segment(STEPS))
    folder = context.data_root / "words-1" / "text"
    for file in folder.iterdir():
        file.unlink()
    write_token_shards(folder, [np.zeros(length, dtype=np.int64)] * 48, 8)
    with pytest.raises(DataError) as caught:
        text_pretrain(context)
    assert f"have {length} tokens" in caught.value.what
    assert not files(context).exists()


def test_a_trunk_with_tied_weights_is_taken_over(contexts: Contexts) -> None:
    run = segment(STEPS)
    context = contexts(replace(run, model=replace(run.model, weight_tying=True)))
    text_pretrain(context)
    saved = checkpoint.finished(context.folder)
    assert saved.optimizer is not None
    assert float(saved.optimizer["decoder.tok_embeddings.weight.step"]) == STEPS
    assert not [name for name in saved.optimizer if "output" in name]


def test_a_folder_that_openlm_would_confuse_is_refused(contexts: Contexts) -> None:
    with pytest.raises(ConfigError) as caught:
        text_pretrain(contexts(segment(STEPS), runs="epoch_1 runs"))
    assert "epoch_" in caught.value.what


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"optimizer": replace(segment(2).optimizer, decay=Decay.MATRICES)}, "optimizer.decay"),
        (
            {"optimizer": replace(segment(2).optimizer, guard=Guard(bad_step=BadStep.SKIP))},
            "optimizer.guard",
        ),
        ({"model": replace(segment(2).model, ffn_multiple=32)}, "model.ffn_multiple"),
    ],
)
def test_what_openlm_does_otherwise_is_refused(
    contexts: Contexts, change: dict[str, Any], where: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        text_pretrain(contexts(replace(segment(STEPS), **change)))
    assert caught.value.where == where


@pytest.mark.parametrize("python", [sys.executable, "/nowhere/bin/python"])
def test_without_it_the_way_to_install_it_is_said(
    stage_context: Contexts, monkeypatch: pytest.MonkeyPatch, python: str
) -> None:
    monkeypatch.setenv(process.PYTHON_VARIABLE, python)
    with pytest.raises(ConfigError) as caught:
        text_pretrain(stage_context(segment(STEPS)))
    assert caught.value.what.startswith(python)
    assert "pip install" in caught.value.mend
    assert process.PYTHON_VARIABLE in caught.value.mend


def test_the_model_is_described_with_what_openlm_leaves_to_flags(contexts: Contexts) -> None:
    context = contexts(segment(4))
    text_pretrain(context)
    written = json.loads((context.folder.artifacts / "open_lm" / "model.json").read_text())
    assert written["model_norm"] == "gain_only_lp_layer_norm"
    assert written["qk_norm"] is True
