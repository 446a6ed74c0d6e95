"""AdamW's state goes from OpenLM's files into ours, and into files for another schedule."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from models.architecture.build import build_model
from models.open_lm.decoder import read_decoder, write_decoder
from models.open_lm.files import load
from models.open_lm.optimizer import optimizer_path, read_optimizer, rebase, write_optimizer
from orchestrator.errors import ConfigError, RecordError
from orchestrator.spec.model import ModelConfig
from orchestrator.spec.optimizer import Decay, OptimizerConfig
from tests.models.open_lm.conftest import MODEL

OTHER = OptimizerConfig(beta1=0.8, beta2=0.99, eps=1e-7, weight_decay=0.2)


def trained(
    folder: Path, *, by_name: bool = False, model: ModelConfig = MODEL
) -> tuple[Path, dict[str, torch.Tensor]]:
    """Three steps of AdamW, saved as OpenLM does; and the state by our names."""
    decoder = build_model(model, None, seed=5).decoder
    parameters = dict(decoder.named_parameters())
    optimizer = torch.optim.AdamW(
        [
            {"params": [], "weight_decay": 0.0},
            {"params": list(parameters.values()), "weight_decay": 0.033},
        ],
        lr=3e-3,
        betas=(0.9, 0.95),
    )
    for step in range(3):
        for number, parameter in enumerate(parameters.values()):
            parameter.grad = torch.full_like(parameter, 0.1 * (number + step))
        optimizer.step()
    own = {
        f"{name}.{kind}": value
        for name, parameter in parameters.items()
        for kind, value in optimizer.state[parameter].items()
    }
    state: dict[str, Any] = optimizer.state_dict()
    if by_name:  # as FSDP gives it
        names = list(parameters)
        state["state"] = {names[number]: value for number, value in state["state"].items()}
    content = {
        "epoch": 7,
        "step": 3,
        "samples_seen": 30,
        "next_shard_per_source": [4, 2],
        "shard_shuffle_seed": 1,
        "state_dict": {f"module.{name}": value for name, value in decoder.state_dict().items()},
    }
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(content, folder / "epoch_7.pt")
    torch.save({"epoch": 7, "optimizer": state}, folder / "optimizer_7.pt")
    return folder / "epoch_7.pt", own


@pytest.mark.parametrize("by_name", [False, True])
def test_moments_are_read_by_name_whichever_way_they_are_kept(
    tmp_path: Path,
    by_name: bool,
) -> None:
    path, own = trained(tmp_path, by_name=by_name)
    read = read_optimizer(path)
    assert read.keys() == own.keys()
    assert all(torch.equal(read[name], own[name]) for name in own)


def test_tied_weights_are_one_parameter_under_two_names(tmp_path: Path) -> None:
    path, own = trained(tmp_path, model=replace(MODEL, weight_tying=True))
    content: Any = dict(load(path))
    tensors = content["state_dict"]
    tensors["module.output.weight"] = tensors["module.tok_embeddings.weight"]  # as OpenLM writes
    torch.save(content, path)
    read = read_optimizer(path)
    assert read.keys() == own.keys()
    assert all(torch.equal(read[name], own[name]) for name in own)


def test_a_rebased_checkpoint_starts_anew_with_the_moments_and_the_new_rates(
    tmp_path: Path,
) -> None:
    path, own = trained(tmp_path / "before")
    new = rebase(path, tmp_path / "after", optimizer=OTHER, peak=1e-3, seed=9)
    assert new == tmp_path / "after" / "epoch_0.pt"
    content = load(new)
    assert {name: content[name] for name in ("epoch", "step", "samples_seen")} == {
        "epoch": 0,
        "step": 0,
        "samples_seen": 0,
    }
    assert content["next_shard_per_source"] == [0, 0]
    assert content["shard_shuffle_seed"] == 9
    kept = read_optimizer(new)
    assert all(torch.equal(kept[name], own[name]) for name in own)
    one, other = read_decoder(path, MODEL).state_dict(), read_decoder(new, MODEL).state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)
    state: Any = load(optimizer_path(new))["optimizer"]
    empty, full = state["param_groups"]
    assert (empty["params"], empty["weight_decay"]) == ([], 0.0)
    assert (full["lr"], full["betas"], full["eps"]) == (1e-3, (0.8, 0.99), 1e-7)
    assert full["weight_decay"] == 0.2
    fresh = build_model(MODEL, None, seed=0).decoder
    taken = torch.optim.AdamW([{"params": []}, {"params": list(fresh.parameters())}])
    taken.load_state_dict(state)  # what OpenLM does with it


@pytest.mark.parametrize("lost", ["optimizer_7.pt", "epoch_7.pt"])
def test_half_a_checkpoint_is_refused_by_name(tmp_path: Path, lost: str) -> None:
    path, _ = trained(tmp_path)
    (tmp_path / lost).unlink()
    with pytest.raises(RecordError) as caught:
        read_optimizer(path)
    assert caught.value.where == str(tmp_path / lost)


def test_state_of_another_model_is_refused(tmp_path: Path) -> None:
    path, _ = trained(tmp_path)
    content: Any = dict(load(optimizer_path(path)))
    del content["optimizer"]["state"][2]
    torch.save(content, optimizer_path(path))
    with pytest.raises(RecordError) as caught:
        read_optimizer(path)
    assert "attention.out_proj.weight" in caught.value.what


@pytest.mark.parametrize(
    ("name", "optimizer"),
    [("after", OptimizerConfig(decay=Decay.MATRICES)), ("epoch_3", OTHER)],
)
def test_what_openlm_would_do_otherwise_is_refused(
    tmp_path: Path, name: str, optimizer: OptimizerConfig
) -> None:
    path, _ = trained(tmp_path)
    with pytest.raises(ConfigError):
        rebase(path, tmp_path / name, optimizer=optimizer, peak=1e-3, seed=9)
    assert not (tmp_path / name).exists()


def test_learning_rates_that_are_numpys_numbers_are_read(tmp_path: Path) -> None:
    import numpy as np

    torch.save({"lr": np.float64(0.5), "seen": np.int64(7)}, tmp_path / "stats_1.pt")
    assert load(tmp_path / "stats_1.pt") == {"lr": 0.5, "seen": 7}


def test_a_file_with_code_in_it_is_not_run(tmp_path: Path) -> None:
    class Bad:
        def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
            return (Path.touch, (str(tmp_path / "ran"),))

    torch.save({"step": Bad()}, tmp_path / "stats_1.pt")
    with pytest.raises(RecordError):
        load(tmp_path / "stats_1.pt")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("tied", [False, True])
def test_written_moments_are_numbered_as_open_lms_optimizer_numbers_them(
    tmp_path: Path, tied: bool
) -> None:
    config = replace(MODEL, weight_tying=tied, post_embed_norm=True)
    path, own = trained(tmp_path / "theirs", model=config)
    decoder = read_decoder(path, config)
    mine = tmp_path / "ours" / "epoch_7.pt"
    mine.parent.mkdir()
    write_decoder(mine, decoder, epoch=7, step=3)
    used = OptimizerConfig()
    written = write_optimizer(mine, own, optimizer=used, learning_rate=3e-3)
    theirs, ours = (load(file)["optimizer"] for file in (optimizer_path(path), written))
    assert written.name == "optimizer_7.pt"
    assert_same(ours, theirs)
    assert read_optimizer(mine).keys() == own.keys()


def assert_same(one: Any, other: Any) -> None:
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, list):
        assert len(one) == len(other)
        for left, right in zip(one, other, strict=True):
            assert_same(left, right)
    elif isinstance(one, torch.Tensor):
        assert torch.equal(one, other)
    else:
        assert one == other


def test_state_of_half_the_parameters_is_not_written(tmp_path: Path) -> None:
    path, own = trained(tmp_path)
    lost = next(name for name in own if name.startswith("layers.1"))
    partial = {name: tensor for name, tensor in own.items() if name != lost}
    with pytest.raises(RecordError) as caught:
        write_optimizer(path, partial, optimizer=OptimizerConfig(), learning_rate=1e-3)
    assert lost.rpartition(".")[0] in caught.value.what
    matrices = OptimizerConfig(decay=Decay.MATRICES)
    with pytest.raises(ConfigError):
        write_optimizer(path, own, optimizer=matrices, learning_rate=1e-3)
