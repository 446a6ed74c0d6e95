"""A checkpoint is there whole or not at all, and never trusted unread."""

from contextlib import AbstractContextManager
from pathlib import Path

import pytest
import torch
from torch import nn

from models.architecture.build import build_model
from models.manifest import verify
from models.training import checkpoint, checkpoint_folders
from models.training.checkpoint import Checkpoint, load_trained, load_weights
from orchestrator.errors import LaunchError, RecordError
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
    folder = checkpoint.save(tmp_path / "a folder", written, keep=1)
    assert folder == checkpoint_folders.newest_valid(tmp_path / "a folder")
    found = checkpoint.read(folder)
    assert (found.step, found.position, found.counters) == (4, 40, {"supervised_tokens": 120})
    torch.testing.assert_close(dict(found.weights), dict(written.weights), atol=0, rtol=0)
    assert (found.optimizer is None) == (not optimizer)


def test_equal_weights_give_equal_bytes(tmp_path: Path) -> None:
    first, second = (
        checkpoint.save(tmp_path / name, sample(40), keep=9) for name in ("one", "two")
    )
    for path in first.iterdir():
        assert path.read_bytes() == (second / path.name).read_bytes(), path.name


def test_there_is_no_checkpoint_where_there_is_no_folder(tmp_path: Path) -> None:
    assert checkpoint_folders.newest_valid(tmp_path / "none") is None


def test_the_newest_is_the_one_of_the_highest_position(tmp_path: Path) -> None:
    for position in (100, 90, 1000):
        checkpoint.save(tmp_path, sample(position), keep=9)
    assert checkpoint_folders.newest_valid(tmp_path) == tmp_path / "1000"


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
    checkpoint.save(tmp_path, sample(10), keep=9)
    newest = checkpoint.save(tmp_path, sample(20), keep=9)
    damage(newest / name)
    assert checkpoint_folders.newest_valid(tmp_path) == tmp_path / "10"
    with pytest.raises(RecordError) as caught:
        verify(newest)
    assert caught.value.where == str(newest / name)


def test_one_without_its_manifest_was_never_finished(tmp_path: Path) -> None:
    (checkpoint.save(tmp_path, sample(10), keep=9) / "manifest.json").unlink()
    assert checkpoint_folders.newest_valid(tmp_path) is None


def test_a_part_left_by_a_crash_is_no_checkpoint_and_is_cleared_away(tmp_path: Path) -> None:
    part = tmp_path / ".20.abc.part"
    part.mkdir()
    (part / "model.safetensors").write_text("half")
    assert checkpoint_folders.newest_valid(tmp_path) is None
    checkpoint.save(tmp_path, sample(20), keep=1)
    assert part.exists()  # it may be another process's, which has not noticed yet
    checkpoint_folders.clear(tmp_path, keep=1, latest=20)
    assert [path.name for path in tmp_path.iterdir()] == ["20"]


def test_the_last_ones_up_to_the_newest_are_kept(tmp_path: Path) -> None:
    for position in (10, 20, 90, 30):  # 90: found damaged, so that training went on from 20
        checkpoint.save(tmp_path, sample(position), keep=2)
    assert checkpoint_folders.positions(tmp_path) == [20, 30]


def test_a_process_that_lost_its_run_changes_nothing_in_it(tmp_path: Path) -> None:
    for position in (10, 20, 30):
        checkpoint.save(tmp_path, sample(position), keep=3)
    before = {path: path.stat().st_ino for path in sorted(tmp_path.rglob("*"))}

    def lost() -> AbstractContextManager[None]:
        raise LaunchError("taken over", "lease.json", "nothing to do")

    for position in (10, 25, 40):  # one that is there, one between, one beyond
        with pytest.raises(LaunchError):
            checkpoint.save(tmp_path, sample(position), keep=1, holding=lost)
    assert checkpoint_folders.positions(tmp_path) == [10, 20, 30]
    assert all(path.stat().st_ino == node for path, node in before.items())


@pytest.mark.parametrize("is_complete", [False, True])
def test_a_process_whose_folder_was_cleared_away_says_that_it_lost_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_complete: bool
) -> None:
    def cleared(*_: object) -> None:
        checkpoint_folders.clear(tmp_path, keep=1, latest=0)  # by whoever took the run over
        if not is_complete:
            raise FileNotFoundError

    def lost() -> AbstractContextManager[None]:
        raise LaunchError("taken over", "lease.json", "nothing to do")

    monkeypatch.setattr(checkpoint, "write_manifest", cleared)
    with pytest.raises(LaunchError):
        checkpoint.save(tmp_path, sample(10), keep=1, holding=lost)
    with pytest.raises(FileNotFoundError):
        checkpoint.save(tmp_path, sample(10), keep=1)


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
    checkpoint.save(
        folder.checkpoints,
        Checkpoint(step=1, position=10, counters={}, weights=weights, optimizer=None),
        keep=1,
    )
    found = load_trained(folder, MODEL, VISION)
    assert not found.training
    assert all(torch.equal(weights[name], tensor) for name, tensor in found.state_dict().items())


def test_a_run_without_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordError) as caught:
        load_trained(RunFolder(tmp_path), MODEL, None)
    assert caught.value.where == str(tmp_path / "checkpoints")
