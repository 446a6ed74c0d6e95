"""Checkpoint files of OpenLM and DCLM, in and out.

A file does not say which norm it was trained with: layer norm with a gain alone, in full or low
precision, and RMS norm have the same tensors. Nor does it tell OpenLM's old `head_rotary` from
`rotary`. What `ModelConfig` declares must be right.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import cast

import torch
from torch import Tensor

from models.architecture.lm import Decoder, build_decoder
from models.architecture.rotary import reset_rotary
from models.open_lm.files import load
from models.training.checkpoint import load_weights
from orchestrator.errors import RecordError
from orchestrator.spec.model import ModelConfig
from orchestrator.store.files import replacing

PREFIXES = ("module.", "_orig_mod.", "model.")
"""What DDP, `torch.compile` and the Hugging Face wrapper put before names, in any nesting."""

GELU_ALIASES = {"_ff_w1.": "feed_forward.0.", "_ff_w2.": "feed_forward.2."}
"""OpenLM's GELU layers register each matrix under two names."""

EMBEDDING = "tok_embeddings.weight"
OUTPUT = "output.weight"


def read_decoder(path: Path, model: ModelConfig) -> Decoder:
    """Read an OpenLM checkpoint (`epoch_<n>.pt`) or a Hugging Face export of one.

    Weights become fp32. The rotary frequencies are computed anew: files saved under bf16 hold
    rounded ones.

    Raises:
        RecordError: if the file cannot be read, or names the first tensor that is missing, unknown
            or of another shape than `model` declares.
    """
    tensors = read_state(path)
    rotary = [name for name in tensors if name.endswith(".inv_freq")]
    if len(rotary) != model.depth:
        raise RecordError(
            f"{len(rotary)} layers have rotary frequencies, but {model.depth} layers are declared",
            where=str(path),
            mend="declare the model's depth; only models with `rotary` positions can be read",
        )
    if model.weight_tying:
        _drop_tied_output(tensors, path)
    decoder = build_decoder(model)
    load_weights(decoder, tensors, where=str(path))
    reset_rotary(decoder)
    return decoder.eval()


def write_decoder(path: Path, decoder: Decoder, *, epoch: int, step: int) -> None:
    """Write a file that OpenLM reads with `--pretrained`, under its names and without prefix."""
    tensors = {name: tensor.detach().cpu() for name, tensor in decoder.state_dict().items()}
    for name, tensor in list(tensors.items()):
        for alias, own in GELU_ALIASES.items():
            if own in name:
                tensors[name.replace(own, alias)] = tensor
    tensors.setdefault(OUTPUT, tensors[EMBEDDING])
    with replacing(path) as temporary:
        torch.save({"epoch": epoch, "step": step, "state_dict": tensors}, temporary)


def read_state(path: Path) -> dict[str, Tensor]:
    """Read a checkpoint's tensors by their plain names, in the order of OpenLM's modules.

    Raises:
        RecordError: if the file cannot be read, or holds no state dict.
    """
    content = load(path)
    tensors = content.get("state_dict", content)
    if isinstance(tensors, Mapping):
        found = {
            name: tensor
            for name, tensor in cast(Mapping[str, object], tensors).items()
            if isinstance(tensor, Tensor)
        }
        if found:
            return _unwrapped(found)
    raise RecordError(
        "the file holds no state dict",
        str(path),
        "give OpenLM's `epoch_<n>.pt`, not `stats_<n>.pt`",
    )


def _unwrapped(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Strip prefixes from names and drop or rename the second names of GELU's matrices."""
    plain = {_without_prefixes(name): tensor for name, tensor in tensors.items()}
    for name in list(plain):
        for alias, own in GELU_ALIASES.items():
            if alias in name:
                plain[name.replace(alias, own)] = plain.pop(name)
    return plain


def _without_prefixes(name: str) -> str:
    while name.startswith(PREFIXES):
        name = name.partition(".")[2]
    return name


def _drop_tied_output(tensors: dict[str, Tensor], path: Path) -> None:
    output = tensors.pop(OUTPUT, None)
    if output is not None and not torch.equal(output, tensors.get(EMBEDDING, output)):
        raise RecordError(
            "the output layer has weights of its own, but weight_tying is declared",
            where=str(path),
            mend="set weight_tying to false",
        )
