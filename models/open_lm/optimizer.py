"""AdamW's state in OpenLM's files, and checkpoints of it for training under another schedule.

OpenLM names state by running numbers of parameters, or by their names under FSDP; we by name. Its
group of parameters without decay is empty: it decays every weight.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from models.open_lm.decoder import EMBEDDING, OUTPUT, read_state
from models.open_lm.files import load
from orchestrator.errors import ConfigError, RecordError
from orchestrator.spec.optimizer import Decay, OptimizerConfig
from orchestrator.store.files import replacing

KINDS = ("exp_avg", "exp_avg_sq", "step")
"""What AdamW keeps of each parameter."""

_CHECKPOINT = "epoch_"
_OPTIMIZER = "optimizer_"


def read_optimizer(checkpoint: Path) -> dict[str, Tensor]:
    """Read the optimizer's state beside `epoch_<n>.pt`, named `<parameter>.<kind>` as ours.

    Raises:
        RecordError: if one of the two files cannot be read, or state of a parameter is missing.
    """
    path = optimizer_path(checkpoint)
    state = _state(load(path), path)
    names = _parameters(checkpoint)
    numbered = {name: state.get(number, state.get(name)) for number, name in enumerate(names)}
    found: dict[str, Tensor] = {}
    for name, values in numbered.items():
        if values is None or any(kind not in values for kind in KINDS):
            raise RecordError(
                f"the optimizer has no state of {name}",
                str(path),
                "give the files of one checkpoint, trained with AdamW",
            )
        found |= {f"{name}.{kind}": values[kind] for kind in KINDS}
    return found


def write_optimizer(
    checkpoint: Path,
    state: Mapping[str, Tensor],
    *,
    optimizer: OptimizerConfig,
    learning_rate: float,
) -> Path:
    """Write the optimizer's state beside an `epoch_<n>.pt` that `write_decoder` has written.

    OpenLM goes on from the two with `--resume`.

    Args:
        checkpoint: the decoder's file.
        state: AdamW's, named `<parameter>.<kind>`, of each of its parameters.
        optimizer: the hyper-parameters it was trained with.
        learning_rate: of the last step. OpenLM sets its own at the next one.

    Returns:
        The file.

    Raises:
        ConfigError: if not all weights were decayed, or the path holds `epoch_` elsewhere.
        RecordError: if the decoder's file cannot be read, or state of a parameter is missing.
    """
    _check_decay(optimizer)
    check_path(checkpoint.parent)
    path = optimizer_path(checkpoint)
    names = _parameters(checkpoint)
    for name in names:
        if any(f"{name}.{kind}" not in state for kind in KINDS):
            raise RecordError(
                f"there is no optimizer state of {name}",
                str(checkpoint),
                "give the state of the checkpoint that the decoder is of",
            )
    numbered = {
        number: {kind: state[f"{name}.{kind}"].detach().cpu() for kind in KINDS}
        for number, name in enumerate(names)
    }
    rates = _rates(optimizer, learning_rate)
    # What torch's AdamW keeps beside these is its own: `load_state_dict` takes it from the group.
    usual: dict[str, object] = torch.optim.AdamW([torch.zeros(1)]).state_dict()["param_groups"][0]
    groups: list[dict[str, object]] = [
        {**usual, **rates, "weight_decay": 0.0, "params": []},
        {
            **usual,
            **rates,
            "weight_decay": optimizer.weight_decay,
            "params": list(numbered),
        },
    ]
    content: dict[str, object] = {
        "epoch": load(checkpoint).get("epoch", 0),
        "optimizer": {"state": numbered, "param_groups": groups},
    }
    with replacing(path) as temporary:
        torch.save(content, temporary)
    return path


def rebase(
    checkpoint: Path, folder: Path, *, optimizer: OptimizerConfig, peak: float, seed: int
) -> Path:
    """Write a checkpoint from which OpenLM goes on at step 0 with the moments it has.

    `--resume` with `--warmup 0`, the learning rate of the branch as `--lr` and its end as
    `--lr-cooldown-end` then continues the model under a new schedule and on new data, from their
    first shard. OpenLM lets a checkpoint's hyper-parameters win over its flags, so they are set
    here as well.

    Args:
        checkpoint: `epoch_<n>.pt`, with its `optimizer_<n>.pt` beside it.
        folder: where the two are written, as number 0.
        optimizer: hyper-parameters of the new training.
        peak: its first learning rate.
        seed: its `--seed`.

    Returns:
        The new `epoch_0.pt`.

    Raises:
        ConfigError: if weights are not all to be decayed, or the path holds `epoch_` elsewhere.
        RecordError: if one of the two files cannot be read.
    """
    _check_decay(optimizer)
    check_path(folder)
    model = {**load(checkpoint)}
    number_of_sources = len(cast(list[int], model.get("next_shard_per_source", [0])))
    fresh: dict[str, object] = {
        "epoch": 0,
        "step": 0,
        "samples_seen": 0,
        "next_shard_per_source": [0] * number_of_sources,
        "shard_shuffle_seed": seed,
    }
    path = optimizer_path(checkpoint)
    kept = {**load(path)}
    state = cast(dict[str, Any], kept["optimizer"])
    rates = _rates(optimizer, peak)
    groups = [
        {**group, **rates, "weight_decay": optimizer.weight_decay if group["params"] else 0.0}
        for group in state["param_groups"]
    ]
    folder.mkdir(parents=True, exist_ok=True)
    written = folder / f"{_CHECKPOINT}0.pt"
    # OpenLM looks for the model first: it is written last.
    with replacing(optimizer_path(written)) as temporary:
        torch.save({**kept, "epoch": 0, "optimizer": {**state, "param_groups": groups}}, temporary)
    with replacing(written) as temporary:
        torch.save({**model, **fresh}, temporary)
    return written


def _check_decay(optimizer: OptimizerConfig) -> None:
    if optimizer.decay is not Decay.ALL:
        raise ConfigError(
            "OpenLM decays all weights, whatever their shape",
            where="optimizer.decay",
            mend=f"declare decay: {Decay.ALL}",
        )


def _rates(optimizer: OptimizerConfig, learning_rate: float) -> dict[str, object]:
    return {
        "lr": learning_rate,
        "betas": (optimizer.beta1, optimizer.beta2),
        "eps": optimizer.eps,
    }


def optimizer_path(checkpoint: Path) -> Path:
    """Return where the optimizer's state of `epoch_<n>.pt` lies."""
    return checkpoint.with_name(checkpoint.name.replace(_CHECKPOINT, _OPTIMIZER))


def check_path(folder: Path) -> None:
    """Refuse a folder in whose name OpenLM would look for `epoch_`.

    Raises:
        ConfigError: if it, or a folder above, has it.
    """
    if _CHECKPOINT in str(folder):
        raise ConfigError(
            f"OpenLM replaces every {_CHECKPOINT!r} in a path to find the optimizer's file",
            where=str(folder),
            mend="choose folders without it in their names",
        )


def _parameters(checkpoint: Path) -> list[str]:
    """Return the names of a model's parameters in the order of OpenLM's modules.

    Tied weights stand in a file under both names and are one parameter, under the first.
    """
    tensors = read_state(checkpoint)
    embedding, output = tensors.get(EMBEDDING), tensors.get(OUTPUT)
    if embedding is not None and output is not None and torch.equal(embedding, output):
        del tensors[OUTPUT]
    return [name for name in tensors if not name.endswith(".inv_freq")]


def _state(content: Mapping[str, object], path: Path) -> dict[int | str, dict[str, Tensor]]:
    optimizer = content.get("optimizer")
    if not isinstance(optimizer, Mapping) or "state" not in optimizer:
        raise RecordError(
            "the file holds no optimizer's state", str(path), "give OpenLM's `optimizer_<n>.pt`"
        )
    return cast(dict[int | str, dict[str, Tensor]], optimizer["state"])
