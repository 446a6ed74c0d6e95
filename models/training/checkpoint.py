"""Checkpoints: verified by hash, byte-identical for identical weights.

A checkpoint is a folder named by its position, with `model.safetensors`, `optimizer.safetensors`
(left out where nothing goes on from it), `state.json`, and `manifest.json`, which is written last
and holds the size and hash of each. While a run whose tensors are cut over processes goes on, each
process writes its share, and files of shares stand for the first two.
"""

from collections.abc import Collection, Generator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from safetensors.torch import (
    load_file,  # pyright: ignore[reportUnknownVariableType]  (`PathLike` without parameter)
    save_file,  # pyright: ignore[reportUnknownVariableType]  (`PathLike` without parameter)
)
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh

from models.architecture.build import build_model
from models.architecture.vlm import VisionLanguageModel
from models.manifest import Facts, facts_of, write_manifest
from models.training import shares
from models.training.checkpoint_folders import Holding, begin, newest_valid, publish
from models.training.guard import Recent
from models.training.optimizer import moments_like
from models.training.sharding import cut_like
from orchestrator.errors import RecordError
from orchestrator.spec.model import ModelConfig, VisionConfig
from orchestrator.store.checkpoint_files import OPTIMIZER_FILE
from orchestrator.store.files import read_json, replacing, write_json
from orchestrator.store.layout import RunFolder

MODEL = "model.safetensors"
STATE = "state.json"

WEIGHTS, OPTIMIZER = "weights/", "optimizer/"
"""How the names of tensors begin in files of shares."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """Training as it stood after `step` steps."""

    step: int
    """Optimizer steps done since position 0."""
    position: int
    """Tokens (fine-tuning: examples; tower: images; average: models) seen."""
    counters: Mapping[str, int]
    """What was counted since position 0, such as `supervised_tokens`."""
    weights: Mapping[str, Tensor]
    """Parameters and persistent buffers by name."""
    optimizer: Mapping[str, Tensor] | None
    """Optimizer state, named by parameter and kind; None where nothing goes on from here."""
    recent: Recent = ()
    """Loss and gradient norm of the last good steps, where spikes are looked for."""


def save(
    checkpoints: Path,
    checkpoint: Checkpoint,
    *,
    keep: int,
    also: Collection[int] = (),
    holding: Holding = nullcontext,
) -> Path:
    """Write a checkpoint whose tensors are whole, remove all but the last `keep` up to it.

    A crash at any point leaves no folder of this name, or a complete one.

    Args:
        checkpoints: where they lie.
        checkpoint: what is written.
        keep: how many stay, this one among them.
        also: positions of others that stay.
        holding: gives contexts in which nobody can take the run over.

    Returns:
        Its folder.

    Raises:
        LeaseHeldError: if the run was taken over; what the other process wrote is untouched.
    """
    part = begin(checkpoints, checkpoint.position)
    with _unless_taken_over(holding):
        _write_tensors(part / MODEL, checkpoint.weights)
        if checkpoint.optimizer is not None:
            _write_tensors(part / OPTIMIZER_FILE, checkpoint.optimizer)
        _write_state(part, checkpoint)
        write_manifest(part)
    return publish(part, checkpoint.position, keep=keep, also=also, holding=holding)


def save_shares(
    part: Path,
    checkpoint: Checkpoint,
    mesh: DeviceMesh,
    *,
    keep: int,
    also: Collection[int],
    holding: Holding,
) -> None:
    """Write a checkpoint whose tensors are cut over processes; each of them calls this.

    Each writes and hashes its share; the first one publishes what all have written.

    Args:
        part: the folder that `begin` has made for it, the same for all.
        checkpoint: what is written; its tensors lie on the CPU.
        mesh: the processes.
        keep: how many stay, this one among them.
        also: positions of others that stay.
        holding: gives contexts in which nobody can take the run over.

    Raises:
        LeaseHeldError: if the run was taken over; what the other process wrote is untouched.
    """
    assert checkpoint.optimizer is not None, "the run goes on from here"
    kinds = _named(WEIGHTS, checkpoint.weights), _named(OPTIMIZER, checkpoint.optimizer)
    with _unless_taken_over(holding):
        shares.write(part, kinds, mesh)
        facts = {path.name: facts_of(path) for path in shares.written_by(part, mesh)}
        everyones: list[dict[str, Facts]] = [{} for _ in range(mesh.size())]
        torch.distributed.all_gather_object(everyones, facts, group=mesh.get_group())
        if mesh.get_rank() != 0:
            return
        _write_state(part, checkpoint)
        write_manifest(part, {name: known for each in everyones for name, known in each.items()})
    publish(part, checkpoint.position, keep=keep, also=also, holding=holding)


@contextmanager
def _unless_taken_over(holding: Holding) -> Generator[None]:
    """Say of a failure to write if it came from losing the run.

    Whoever took the run over has cleared leftovers away, the folder that is being filled among
    them.
    """
    try:
        yield
    except OSError:
        with holding():
            raise


def _write_state(part: Path, checkpoint: Checkpoint) -> None:
    state: dict[str, object] = {
        "step": checkpoint.step,
        "position": checkpoint.position,
        "counters": dict(checkpoint.counters),
    }
    if checkpoint.recent:
        state["recent"] = checkpoint.recent
    write_json(part / STATE, state)


def read(
    folder: Path, module: nn.Module | None = None, mesh: DeviceMesh | None = None
) -> Checkpoint:
    """Read a checkpoint that `newest_valid` or `verify` has found good.

    Args:
        folder: where it lies.
        module: is cut over processes; shares are read as it is cut. None to read whole tensors.
        mesh: the processes, each of which calls this; None for one that reads by itself.
    """
    state = read_json(folder / STATE)
    weights, optimizer = (
        _read_shares(folder, module, mesh) if shares.are_in(folder) else _read_whole(folder)
    )
    recent = cast(list[list[float]], state.get("recent", []))
    return Checkpoint(
        step=cast(int, state["step"]),
        position=cast(int, state["position"]),
        counters=cast(dict[str, int], state["counters"]),
        weights=weights,
        optimizer=optimizer,
        recent=tuple((loss, norm) for loss, norm in recent),
    )


_Read = tuple[dict[str, Tensor], dict[str, Tensor] | None]


def _read_whole(folder: Path) -> _Read:
    optimizer = folder / OPTIMIZER_FILE
    return load_file(folder / MODEL), load_file(optimizer) if optimizer.exists() else None


def _read_shares(folder: Path, module: nn.Module | None, mesh: DeviceMesh | None) -> _Read:
    like: dict[str, Tensor] = {}
    if module is not None:
        like = {**_named(WEIGHTS, module.state_dict()), **_named(OPTIMIZER, moments_like(module))}
    found = shares.read(folder, like, mesh)
    weights, optimizer = (
        {name.removeprefix(kind): tensor for name, tensor in found.items() if name.startswith(kind)}
        for kind in (WEIGHTS, OPTIMIZER)
    )
    return weights, optimizer  # without any before the first step


def _named(kind: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"{kind}{name}": tensor for name, tensor in tensors.items()}


def finished(folder: RunFolder) -> Checkpoint:
    """Read the last checkpoint of a finished run.

    Raises:
        RecordError: if the run has no undamaged checkpoint.
    """
    newest = newest_valid(folder.checkpoints)
    if newest is None:
        raise RecordError(
            "the run has no undamaged checkpoint",
            where=str(folder.checkpoints),
            mend="remove the run's folder and launch again to train it anew",
        )
    return read(newest)


def load_trained(
    folder: RunFolder,
    model: ModelConfig,
    vision: VisionConfig | None,
    published: Mapping[str, Path] | None = None,
) -> VisionLanguageModel:
    """Return the model of a finished run, on the CPU, ready to be asked.

    Args:
        folder: the run.
        model: its decoder.
        vision: how it sees images; None for a model of text alone.
        published: folders of the encoder's published weights by hub name; the hub has the others.

    Raises:
        RecordError: if there is no undamaged checkpoint, or it is of another model.
    """
    built = build_model(model, vision, 0, published)
    load_weights(built, finished(folder).weights, where=str(folder.checkpoints))
    return built.eval()


def load_weights(
    module: nn.Module,
    weights: Mapping[str, Tensor],
    *,
    where: str,
    new: tuple[str, ...] = (),
) -> None:
    """Copy weights into a module, by name; where it is cut over processes, each takes its share.

    Args:
        module: what is filled.
        weights: tensors by name.
        where: what the weights were read from, for messages.
        new: beginnings of names that may be absent from `weights`; those stay as they are.

    Raises:
        RecordError: naming the first tensor that is missing, unknown or of another shape.
    """
    own = module.state_dict()
    absent = [name for name in own if name not in weights and not name.startswith(new or ("\0",))]
    unknown = [name for name in weights if name not in own]
    for problem, names in (("holds no", absent), ("holds an unknown", unknown)):
        if names:
            raise _other_model(f"the checkpoint {problem} tensor {names[0]}", where)
    for name, tensor in weights.items():
        if own[name].shape != tensor.shape:
            shapes = f"{tuple(tensor.shape)}, but the model has {tuple(own[name].shape)}"
            raise _other_model(f"the checkpoint's {name} has shape {shapes}", where)
    with torch.no_grad():
        for name, tensor in weights.items():
            own[name].copy_(cut_like(tensor, own[name]))


def _other_model(what: str, where: str) -> RecordError:
    return RecordError(what, where, "declare the model that this checkpoint was trained as")


def _write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    with replacing(path) as temporary:
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, temporary)
