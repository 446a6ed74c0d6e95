"""OpenLM's checkpoint files go in and out, and wrong ones are refused."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from models.architecture.build import build_model
from models.architecture.lm import Decoder
from models.open_lm.decoder import read_decoder, write_decoder
from orchestrator.errors import RecordError
from orchestrator.spec.model import FeedForward, ModelConfig, Norm


def model(
    *, ffn: FeedForward = FeedForward.SWIGLU, qk_norm: bool = True, tied: bool = False
) -> ModelConfig:
    return ModelConfig(
        width=16,
        depth=2,
        heads=2,
        vocab_size=20,
        seq_len=8,
        norm=Norm.GAIN_ONLY_LP,
        qk_norm=qk_norm,
        ffn=ffn,
        ffn_multiple=8,
        weight_tying=tied,
        post_embed_norm=tied,
    )


def decoder(config: ModelConfig) -> Decoder:
    return build_model(config, None, seed=1).decoder


def saved(path: Path, state: dict[str, Tensor], prefix: str = "") -> Path:
    tensors = {prefix + name: tensor for name, tensor in state.items()}
    torch.save({"epoch": 3, "step": 9, "name": "run", "state_dict": tensors}, path)
    return path


def assert_equal(one: Decoder, other: Decoder) -> None:
    mine, yours = one.state_dict(), other.state_dict()
    assert mine.keys() == yours.keys()
    for name in mine:
        assert torch.equal(mine[name], yours[name]), name


@pytest.mark.parametrize("ffn", FeedForward)
@pytest.mark.parametrize("tied", [False, True])
def test_a_written_checkpoint_is_read_as_it_was(
    tmp_path: Path, ffn: FeedForward, tied: bool
) -> None:
    config = model(ffn=ffn, tied=tied)
    written = decoder(config)
    write_decoder(tmp_path / "epoch_1.pt", written, epoch=1, step=100)
    assert_equal(read_decoder(tmp_path / "epoch_1.pt", config), written)


def test_a_written_checkpoint_has_open_lm_s_fields_and_both_names_of_gelu_s_matrices(
    tmp_path: Path,
) -> None:
    written = decoder(model(ffn=FeedForward.GELU, tied=True))
    write_decoder(tmp_path / "epoch_1.pt", written, epoch=1, step=100)
    content = torch.load(tmp_path / "epoch_1.pt", weights_only=True)
    assert (content["epoch"], content["step"]) == (1, 100)
    state = content["state_dict"]
    assert torch.equal(state["output.weight"], state["tok_embeddings.weight"])
    for alias, own in (("_ff_w1", "feed_forward.0"), ("_ff_w2", "feed_forward.2")):
        assert torch.equal(state[f"layers.1.{alias}.weight"], state[f"layers.1.{own}.weight"])


@pytest.mark.parametrize(
    "prefix", ["", "module.", "_orig_mod.", "model.", "_orig_mod.module.", "module._orig_mod."]
)
def test_wrappers_prefixes_are_stripped_in_any_nesting(tmp_path: Path, prefix: str) -> None:
    written = decoder(model())
    path = saved(tmp_path / "epoch_3.pt", written.state_dict(), prefix)
    assert_equal(read_decoder(path, model()), written)


def test_a_bare_state_dict_is_read(tmp_path: Path) -> None:
    written = decoder(model())
    tensors = {f"model.{name}": tensor for name, tensor in written.state_dict().items()}
    torch.save(tensors, tmp_path / "pytorch_model.bin")
    assert_equal(read_decoder(tmp_path / "pytorch_model.bin", model()), written)


def test_weights_and_rotary_frequencies_saved_in_bf16_become_fp32(tmp_path: Path) -> None:
    written = decoder(model())
    rounded = {name: tensor.bfloat16() for name, tensor in written.state_dict().items()}
    found = read_decoder(saved(tmp_path / "epoch_3.pt", rounded), model()).state_dict()
    for name, tensor in written.state_dict().items():
        exact = tensor if name.endswith("inv_freq") else tensor.bfloat16().float()
        assert torch.equal(found[name], exact), name


def test_another_shape_is_refused_and_named(tmp_path: Path) -> None:
    state = decoder(model()).state_dict()
    state["layers.1.feed_forward.w3.weight"] = torch.zeros(16, 40)
    path = saved(tmp_path / "epoch_3.pt", state)
    with pytest.raises(RecordError) as caught:
        read_decoder(path, model())
    assert "layers.1.feed_forward.w3.weight has shape (16, 40)" in caught.value.what
    assert caught.value.where == str(path)


@pytest.mark.parametrize("declared", [True, False])
def test_a_wrongly_declared_qk_norm_is_refused(tmp_path: Path, declared: bool) -> None:
    path = saved(tmp_path / "epoch_3.pt", decoder(model(qk_norm=not declared)).state_dict())
    with pytest.raises(RecordError) as caught:
        read_decoder(path, model(qk_norm=declared))
    assert "attention.q_norm.weight" in caught.value.what


def test_positions_that_are_not_rotary_are_refused(tmp_path: Path) -> None:
    state = decoder(model()).state_dict()
    kept = {name: tensor for name, tensor in state.items() if not name.endswith("inv_freq")}
    with pytest.raises(RecordError) as caught:
        read_decoder(saved(tmp_path / "epoch_3.pt", kept), model())
    assert "rotary" in caught.value.mend


def test_an_output_layer_of_its_own_is_not_tied(tmp_path: Path) -> None:
    path = saved(tmp_path / "epoch_3.pt", decoder(model()).state_dict())
    with pytest.raises(RecordError) as caught:
        read_decoder(path, model(tied=True))
    assert "weight_tying" in caught.value.what


@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"PK\x03\x04 cut off"])
def test_a_damaged_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "epoch_3.pt"
    path.write_bytes(content)
    with pytest.raises(RecordError) as caught:
        read_decoder(path, model())
    assert caught.value.where == str(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordError):
        read_decoder(tmp_path / "epoch_3.pt", model())
