"""Tensors cut over processes on disk: each process writes its share, any number of them reads it.

`torch.distributed.checkpoint` plans who writes and who reads what. The files are safetensors that
say where in the whole tensor each share lies: no pickle has to be trusted.
"""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.hf_storage import (
    HuggingFaceStorageReader,
    HuggingFaceStorageWriter,
)
from torch.distributed.checkpoint.metadata import TensorStorageMetadata
from torch.distributed.checkpoint.state_dict_loader import (
    load,  # pyright: ignore[reportUnknownVariableType]  (`PathLike` without parameter)
)
from torch.distributed.checkpoint.state_dict_saver import (
    save,  # pyright: ignore[reportUnknownVariableType]  (`PathLike` without parameter)
)
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import DTensor

FILES = "shard-*.safetensors"
"""Matches the files, as torch names them: `shard-<process>-model-<kind>-of-<kinds>.safetensors`."""


def are_in(folder: Path) -> bool:
    """Return whether a folder holds shares."""
    return any(folder.glob(FILES))


def write(folder: Path, kinds: Sequence[Mapping[str, Tensor]], mesh: DeviceMesh) -> None:
    """Write the tensors that all processes have shares of; each of them calls this.

    Args:
        folder: where; all see the same one.
        kinds: tensors on the CPU by name, a file for each of the mappings and processes. No name
            comes twice.
        mesh: the processes.

    Raises:
        OSError: on all processes, if one of them cannot write.
    """
    tensors = {name: tensor for kind in kinds for name, tensor in kind.items()}
    files = {name: number for number, kind in enumerate(kinds, 1) for name in kind}
    writer = HuggingFaceStorageWriter(
        str(folder), fqn_to_index_mapping=files, save_distributed=True
    )
    try:
        save(tensors, storage_writer=writer, process_group=mesh.get_group())
    except CheckpointException as failed:
        raise _first_error(failed) from None


def written_by(folder: Path, mesh: DeviceMesh) -> list[Path]:
    """Return the files that this process has written into a folder."""
    return sorted(folder.glob(FILES.replace("*", f"{mesh.get_rank() + 1:05d}-*", 1)))


def read(
    folder: Path, like: Mapping[str, Tensor], mesh: DeviceMesh | None = None
) -> dict[str, Tensor]:
    """Read tensors: shares of those that `like` has cut, whole ones of all others.

    Args:
        folder: where `write` has put them, whatever the number of processes was.
        like: tensors by name, cut as they are wanted.
        mesh: the processes, each of which calls this; None for one that reads by itself.

    Raises:
        OSError: if a file cannot be read.
    """
    reader = HuggingFaceStorageReader(str(folder))
    found: dict[str, Tensor] = {}
    for name, facts in reader.read_metadata().state_dict_metadata.items():
        assert isinstance(facts, TensorStorageMetadata)
        wanted = like.get(name)
        if isinstance(wanted, DTensor) and wanted.shape == facts.size:
            found[name] = torch.empty_like(wanted, dtype=facts.properties.dtype)
        else:
            found[name] = torch.empty(facts.size, dtype=facts.properties.dtype)
    group = None if mesh is None else mesh.get_group()
    try:
        with warnings.catch_warnings():  # that a process alone reads alone is meant
            warnings.filterwarnings("ignore", message="torch.distributed is disabled")
            load(found, storage_reader=reader, process_group=group, no_dist=mesh is None)
    except CheckpointException as failed:
        raise _first_error(failed) from None
    return found


def _first_error(failed: CheckpointException) -> BaseException:
    """Return what went wrong in the first process where something did."""
    return failed.failures[min(failed.failures)][0]
