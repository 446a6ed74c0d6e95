"""Checkpoints: whole or not at all, verified by hash, byte-identical for identical weights.

A checkpoint is a folder named by its position, with `model.safetensors`, `optimizer.safetensors`
(left out where nothing goes on from it), `state.json`, and `manifest.json`, which is written last
and holds the size and hash of each. It is made under a name of its process's own and renamed when
complete, while nobody can take the run over: a process that lost its run publishes nothing.
"""

import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from safetensors.torch import (
    load_file,  # pyright: ignore[reportUnknownVariableType]  (`PathLike` without parameter)
    save_file,  # pyright: ignore[reportUnknownVariableType]  (`PathLike` without parameter)
)
from torch import Tensor, nn

from models.architecture.build import build_model
from models.architecture.vlm import VisionLanguageModel
from models.manifest import verify, write_manifest
from models.training.guard import Recent
from models.training.sharding import cut_like
from orchestrator.errors import RecordError
from orchestrator.spec.model import ModelConfig, VisionConfig
from orchestrator.store.checkpoint_files import OPTIMIZER_FILE
from orchestrator.store.files import read_json, replacing, write_json
from orchestrator.store.layout import RunFolder

MODEL = "model.safetensors"
STATE = "state.json"

PART = ".part"
"""Ends the names of folders that are being written."""

log = logging.getLogger(__name__)


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


Holding = Callable[[], AbstractContextManager[None]]
"""Gives contexts in which nobody can take the run over (`StageContext.holding`)."""


def save(
    checkpoints: Path,
    checkpoint: Checkpoint,
    *,
    keep: int,
    also: Collection[int] = (),
    holding: Holding = nullcontext,
) -> Path:
    """Write a checkpoint, remove all but the last `keep` up to it, return its folder.

    A crash at any point leaves no folder of this name, or a complete one.

    Args:
        checkpoints: where they lie.
        checkpoint: what is written.
        keep: how many stay, this one among them.
        also: positions of others that stay.
        holding: gives contexts in which nobody can take the run over.

    Raises:
        LeaseHeldError: if the run was taken over; what the other process wrote is untouched.
    """
    checkpoints.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f".{checkpoint.position}.", suffix=PART, dir=checkpoints))
    try:
        _fill(part, checkpoint)
    except OSError:
        with holding():  # whoever took the run over has cleared leftovers away, this among them
            raise
    with holding():
        final = checkpoints / str(checkpoint.position)
        if final.exists():  # it was found damaged, or training would not have come here again
            shutil.rmtree(final)
        part.rename(final)
        _sync_folder(checkpoints)
        _prune(checkpoints, keep=keep, also=also, latest=checkpoint.position)
    return final


def clear(checkpoints: Path, *, keep: int, latest: int, also: Collection[int] = ()) -> None:
    """Remove leftover parts, and all but the last `keep` checkpoints up to position `latest`.

    Those at the positions `also` stay.

    One beyond `latest` was found damaged, or training would have gone on from it. The caller
    makes sure that nobody can take the run over meanwhile.
    """
    if not checkpoints.is_dir():
        return
    for path in checkpoints.glob(f".*{PART}"):
        shutil.rmtree(path, ignore_errors=True)
    _prune(checkpoints, keep=keep, also=also, latest=latest)


def _fill(part: Path, checkpoint: Checkpoint) -> None:
    """Write the files of a checkpoint into an empty folder."""
    _write_tensors(part / MODEL, checkpoint.weights)
    if checkpoint.optimizer is not None:
        _write_tensors(part / OPTIMIZER_FILE, checkpoint.optimizer)
    state: dict[str, object] = {
        "step": checkpoint.step,
        "position": checkpoint.position,
        "counters": dict(checkpoint.counters),
    }
    if checkpoint.recent:
        state["recent"] = checkpoint.recent
    write_json(part / STATE, state)
    write_manifest(part)
    part.chmod(0o755)  # the temporary folder's mode is for its owner alone


def newest_valid(checkpoints: Path) -> Path | None:
    """Return the folder of the newest checkpoint that is what its manifest says; None if none is.

    A damaged one is named in the log and passed over for the one before it.
    """
    for position in reversed(positions(checkpoints)):
        folder = checkpoints / str(position)
        try:
            verify(folder)
        except RecordError as error:
            log.warning("checkpoint passed over: %s", error)
        else:
            return folder
    return None


def read(folder: Path) -> Checkpoint:
    """Read a checkpoint that `newest_valid` or `verify` has found good."""
    state = read_json(folder / STATE)
    step, position = cast(int, state["step"]), cast(int, state["position"])
    recent = cast(list[list[float]], state.get("recent", []))
    optimizer = folder / OPTIMIZER_FILE
    return Checkpoint(
        step=step,
        position=position,
        counters=cast(dict[str, int], state["counters"]),
        weights=load_file(folder / MODEL),
        optimizer=load_file(optimizer) if optimizer.exists() else None,
        recent=tuple((loss, norm) for loss, norm in recent),
    )


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


def positions(checkpoints: Path) -> list[int]:
    """Return the positions of all checkpoints, damaged ones too, in ascending order."""
    if not checkpoints.is_dir():
        return []
    return sorted(int(path.name) for path in checkpoints.iterdir() if path.name.isdecimal())


def _prune(checkpoints: Path, *, keep: int, also: Collection[int], latest: int) -> None:
    there = positions(checkpoints)
    kept = [position for position in there if position <= latest][-keep:]
    for position in there:
        if position not in kept and position not in also:
            shutil.rmtree(checkpoints / str(position))


def _write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    with replacing(path) as temporary:
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, temporary)


def _sync_folder(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
