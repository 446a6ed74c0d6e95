"""A checkpoint is there whole or not at all, and never trusted unread."""

from pathlib import Path

import pytest
import torch
from torch import nn

from models.architecture.build import build_model
from models.training import checkpoint
from models.training.checkpoint import Checkpoint, load_trained, load_weights
from orchestrator.errors import RecordError
from orchestrator.spec.model import Encoder, ModelConfig, Norm, VisionConfig
from orchestrator.store.layout import RunFolder

MODEL = ModelConfig(
    width=16, depth=1, heads=2, vocab_size=20, seq_len=8, norm=Norm.GAIN_ONLY, qk_norm=True
)
VISION = VisionConfig(encoder=Encoder.CNN, image_size=8, patch_size=4, feature_width=8)


def sample(position: int, *, optimizer: bool = True) -> Checkpoint:
    return Checkpoint(
        step=position // 10,
        position=position,
        counters={"supervised_tokens": 3 * position},
        weights={"a": torch.arange(4.0) + position, "b": torch.ones(2, 3)},
        optimizer={"a.step": torch.tensor(float(position))} if optimizer else None,
    )


@pytest.mark.parametrize("optimizer", [True, False])
def test_what_was_written_is_read(tmp_path: Path, optimizer: bool) -> None:
    written = sample(40, optimizer=optimizer)
    folder = checkpoint.write(tmp_path / "a folder", written)
    assert folder == checkpoint.newest_valid(tmp_path / "a folder")
    found = checkpoint.read(folder)
    assert (found.step, found.position, found.counters) == (4, 40, {"supervised_tokens": 120})
    torch.testing.assert_close(dict(found.weights), dict(written.weights), atol=0, rtol=0)
    assert (found.optimizer is None) == (not optimizer)


def test_equal_weights_give_equal_bytes(tmp_path: Path) -> None:
    first, second = (checkpoint.write(tmp_path / name, sample(40)) for name in ("one", "two"))
    for path in first.iterdir():
        assert path.read_bytes() == (second / path.name).read_bytes(), path.name


def test_there_is_no_checkpoint_where_there_is_no_folder(tmp_path: Path) -> None:
    assert checkpoint.newest_valid(tmp_path / "none") is None


def test_the_newest_is_the_one_of_the_highest_position(tmp_path: Path) -> None:
    for position in (100, 90, 1000):
        checkpoint.write(tmp_path, sample(position))
    assert checkpoint.newest_valid(tmp_path) == tmp_path / "1000"


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.safetensors", "state.json"])
@pytest.mark.parametrize("damage", [cut_off, flip_a_bit, Path.unlink])
def test_a_damaged_one_is_passed_over_for_the_one_before_it(
    tmp_path: Path, name: str, damage: object
) -> None:
    assert callable(damage)
    checkpoint.write(tmp_path, sample(10))
    newest = checkpoint.write(tmp_path, sample(20))
    damage(newest / name)
    assert checkpoint.newest_valid(tmp_path) == tmp_path / "10"
    with pytest.raises(RecordError) as caught:
        checkpoint.verify(newest)
    assert caught.value.where == str(newest / name)


def test_one_without_its_manifest_was_never_finished(tmp_path: Path) -> None:
    (checkpoint.write(tmp_path, sample(10)) / "manifest.json").unlink()
    assert checkpoint.newest_valid(tmp_path) is None


def test_a_part_left_by_a_crash_is_no_checkpoint_and_is_in_nobody_s_way(tmp_path: Path) -> None:
    part = tmp_path / ".20.part"
    part.mkdir()
    (part / "model.safetensors").write_text("half")
    assert checkpoint.newest_valid(tmp_path) is None
    checkpoint.write(tmp_path, sample(20))
    assert checkpoint.newest_valid(tmp_path) == tmp_path / "20"
    assert not part.exists()


def test_pruning_keeps_the_last_ones_up_to_the_latest(tmp_path: Path) -> None:
    for position in (10, 20, 30, 90):  # 90: found damaged, so that training went on from 30
        checkpoint.write(tmp_path, sample(position))
    checkpoint.prune(tmp_path, keep=2, latest=30)
    assert checkpoint.positions(tmp_path) == [20, 30]


def module() -> nn.Linear:
    return nn.Linear(2, 3)


def test_weights_are_copied_by_name() -> None:
    source, target = module(), module()
    load_weights(target, source.state_dict(), where="here")
    assert torch.equal(source.weight, target.weight)
    assert torch.equal(source.bias, target.bias)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"weight": torch.zeros(3, 4)}, "weight has shape (3, 4), but the model has (3, 2)"),
        ({"extra": torch.zeros(1)}, "extra"),
        ({"bias": None}, "bias"),
    ],
)
def test_weights_of_another_model_are_refused_and_named(
    change: dict[str, torch.Tensor | None], named: str
) -> None:
    weights = {**module().state_dict(), **change}
    given = {name: tensor for name, tensor in weights.items() if tensor is not None}
    with pytest.raises(RecordError) as caught:
        load_weights(module(), given, where="a/checkpoint")
    assert named in caught.value.what
    assert caught.value.where == "a/checkpoint"


def test_parts_that_are_new_may_be_absent_and_stay_as_they_are() -> None:
    target = module()
    bias = target.bias.clone()
    load_weights(target, {"weight": torch.zeros(3, 2)}, where="here", new=("bias",))
    assert torch.equal(target.bias, bias)


def test_a_trained_model_is_loaded_for_asking(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    trained = build_model(MODEL, VISION, seed=1)
    weights = trained.state_dict()
    checkpoint.write(
        folder.checkpoints,
        Checkpoint(step=1, position=10, counters={}, weights=weights, optimizer=None),
    )
    found = load_trained(folder, MODEL, VISION)
    assert not found.training
    assert all(torch.equal(weights[name], tensor) for name, tensor in found.state_dict().items())


def test_a_run_without_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordError) as caught:
        load_trained(RunFolder(tmp_path), MODEL, None)
    assert caught.value.where == str(tmp_path / "checkpoints")
