"""AdamW over a module's parameters, and its state as flat tensors by parameter name."""

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from models.architecture.vlm import TOWER
from models.training.sharding import cut_like
from orchestrator.errors import RecordError
from orchestrator.spec.optimizer import Decay, OptimizerConfig

MOMENTS = ("exp_avg", "exp_avg_sq")
"""Kinds of AdamW's state that have a parameter's shape."""

SCALE = "lr_scale"
"""Names a group's learning rate in multiples of the schedule's."""


def build_optimizer(
    module: nn.Module, config: OptimizerConfig, *, tower_lr_scale: float = 1.0
) -> torch.optim.AdamW:
    """Return AdamW without state; `set_learning_rate` is called at each step.

    A parameter without a gradient is neither moved nor decayed, and gets no state.

    Args:
        module: whose parameters are moved.
        config: how.
        tower_lr_scale: learning rate of the tower's, in multiples of the others'.
    """
    named = [(name, p) for name, p in module.named_parameters() if p.requires_grad]
    own = [p for name, p in named if tower_lr_scale == 1 or not name.startswith(TOWER)]
    towers = [p for name, p in named if tower_lr_scale != 1 and name.startswith(TOWER)]
    groups = [
        {"params": chosen, "weight_decay": decay, SCALE: scale}
        for parameters, scale in ((own, 1.0), (towers, tower_lr_scale))
        for chosen, decay in _by_decay(parameters, config)
    ]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]],
        lr=0.0,
        betas=(config.beta1, config.beta2),
        eps=config.eps,
        fused=True,
    )


def _by_decay(
    parameters: Sequence[nn.Parameter], config: OptimizerConfig
) -> Iterator[tuple[list[nn.Parameter], float]]:
    yield [p for p in parameters if config.decay is Decay.ALL or p.ndim >= 2], config.weight_decay
    yield [p for p in parameters if config.decay is Decay.MATRICES and p.ndim < 2], 0.0


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> dict[str, float]:
    """Give each parameter its learning rate; return them as they are logged."""
    rates = {"learning_rate": rate}
    for group in optimizer.param_groups:
        scale = group.get(SCALE, 1.0)
        group["lr"] = rate * scale
        if scale != 1:
            rates["tower_learning_rate"] = group["lr"]
    return rates


def state_tensors(optimizer: torch.optim.Optimizer, module: nn.Module) -> dict[str, Tensor]:
    """Return the optimizer's state as tensors named `<parameter>.<kind>`.

    Kinds are AdamW's: `exp_avg`, `exp_avg_sq` and `step`. The names, unlike torch's running
    numbers, still mean the same in a module that has gained other parts.
    """
    return {
        f"{name}.{kind}": tensor
        for name, parameter in module.named_parameters()
        for kind, tensor in optimizer.state[parameter].items()
        if parameter in optimizer.state
    }


def moments_like(module: nn.Module) -> dict[str, Tensor]:
    """Return tensors shaped and cut as AdamW's moments are, by the names of `state_tensors`."""
    return {
        f"{name}.{kind}": parameter.detach()
        for name, parameter in module.named_parameters()
        for kind in MOMENTS
    }


def load_state(
    optimizer: torch.optim.Optimizer,
    module: nn.Module,
    tensors: Mapping[str, Tensor] | None,
    *,
    where: str,
) -> None:
    """Put the optimizer where a checkpoint left it; parameters not named there start without state.

    Args:
        optimizer: what is filled; state it had is forgotten.
        module: whose parameters it moves.
        tensors: what `state_tensors` gave; None if the checkpoint was kept without.
        where: what the tensors were read from, for messages.

    Raises:
        RecordError: if there is no state, or state of a parameter that the module does not have.
    """
    if tensors is None:
        raise RecordError(
            "the checkpoint was kept without the optimizer's state",
            where=where,
            mend="start from a text_pretrain run, or drop the optimizer's state",
        )
    parameters = dict(module.named_parameters())
    optimizer.state.clear()
    for name, tensor in tensors.items():
        owner, _, kind = name.rpartition(".")
        if owner not in parameters:
            raise RecordError(
                f"the checkpoint holds optimizer state of {owner}, which the model does not have",
                where=where,
                mend="declare the model that this checkpoint was trained as",
            )
        parameter = parameters[owner]
        share = tensor if tensor.ndim == 0 else cut_like(tensor, parameter)
        optimizer.state[parameter][kind] = share.to(parameter.device, copy=True)
