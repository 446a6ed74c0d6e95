"""AdamW decays what it should, leaves alone what has no gradient, and is saved by name."""

import pytest
import torch
from torch import nn

from models.training.optimizer import (
    build_optimizer,
    load_state,
    set_learning_rate,
    state_tensors,
)
from orchestrator.errors import RecordError
from orchestrator.spec.optimizer import Decay, OptimizerConfig


def module() -> nn.Sequential:
    generator = torch.Generator().manual_seed(0)
    made = nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4), nn.Linear(4, 2))
    for parameter in made.parameters():
        nn.init.normal_(parameter, generator=generator)
    return made


def step(made: nn.Module, optimizer: torch.optim.Optimizer, rate: float = 0.1) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate
    made(torch.arange(6.0).view(2, 3)).square().sum().backward()
    optimizer.step()
    optimizer.zero_grad()


def adamw(config: OptimizerConfig, weight: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
    """The first step of AdamW, by its formula (Loshchilov and Hutter 2019, algorithm 2)."""
    mean, square = gradient, gradient**2  # both corrected for their bias
    decayed = weight * (1 - 0.1 * config.weight_decay)
    return decayed - 0.1 * mean / (square.sqrt() + config.eps)


@pytest.mark.parametrize("decay", Decay)
def test_the_first_step_is_adamw_s_with_the_declared_decay(decay: Decay) -> None:
    config = OptimizerConfig(weight_decay=0.5, decay=decay)
    made = module()
    before = {name: parameter.detach().clone() for name, parameter in made.named_parameters()}
    made(torch.arange(6.0).view(2, 3)).square().sum().backward()
    gradients = {name: p.grad for name, p in made.named_parameters() if p.grad is not None}
    optimizer = build_optimizer(made, config)
    for group in optimizer.param_groups:
        group["lr"] = 0.1
    optimizer.step()
    for name, parameter in made.named_parameters():
        decayed = decay is Decay.ALL or parameter.ndim >= 2
        own = config if decayed else OptimizerConfig(weight_decay=0.0)
        torch.testing.assert_close(parameter.detach(), adamw(own, before[name], gradients[name]))


def test_a_tower_has_its_own_learning_rate() -> None:
    made = nn.ModuleDict({"decoder": nn.Linear(2, 2), "tower": nn.Linear(2, 2)})
    before = {name: parameter.detach().clone() for name, parameter in made.named_parameters()}
    optimizer = build_optimizer(
        made, OptimizerConfig(weight_decay=0.0, decay=Decay.MATRICES), tower_lr_scale=0.25
    )
    rates = set_learning_rate(optimizer, 0.1)
    assert rates == {"learning_rate": 0.1, "tower_learning_rate": 0.025}
    torch.stack([parameter.sum() for parameter in made.parameters()]).sum().backward()
    optimizer.step()  # the first step of Adam is the learning rate, whatever the gradient
    for name, parameter in made.named_parameters():
        moved = (before[name] - parameter).detach()
        rate = 0.025 if name.startswith("tower") else 0.1
        torch.testing.assert_close(moved, torch.full_like(moved, rate))


def test_without_a_scale_there_is_one_learning_rate() -> None:
    optimizer = build_optimizer(module(), OptimizerConfig())
    assert set_learning_rate(optimizer, 0.1) == {"learning_rate": 0.1}


def test_a_parameter_without_gradient_is_neither_moved_nor_decayed() -> None:
    made = module()
    unused = nn.Linear(2, 2)
    both = nn.ModuleList([made, unused])
    before = unused.weight.detach().clone()
    optimizer = build_optimizer(both, OptimizerConfig(weight_decay=0.5))
    step(made, optimizer)
    assert torch.equal(unused.weight, before)
    assert not any(name.startswith("1.") for name in state_tensors(optimizer, both))


def test_a_restored_optimizer_goes_on_bit_for_bit() -> None:
    config = OptimizerConfig()
    made = module()
    optimizer = build_optimizer(made, config)
    step(made, optimizer)
    other = module()
    other.load_state_dict(made.state_dict())
    restored = build_optimizer(other, config)
    saved = {name: tensor.clone() for name, tensor in state_tensors(optimizer, made).items()}
    load_state(restored, other, saved, where="here")
    step(made, optimizer)
    step(other, restored)
    for name, tensor in made.state_dict().items():
        assert torch.equal(tensor, other.state_dict()[name])


def test_state_is_kept_by_name_when_the_model_has_gained_parts() -> None:
    trunk = nn.ModuleDict({"decoder": module()})
    optimizer = build_optimizer(trunk, OptimizerConfig())
    step(trunk["decoder"], optimizer)
    saved = state_tensors(optimizer, trunk)
    branch = nn.ModuleDict({"projector": nn.Linear(2, 2), "decoder": module()})
    restored = build_optimizer(branch, OptimizerConfig())
    load_state(restored, branch, saved, where="here")
    assert state_tensors(restored, branch).keys() == saved.keys()


def test_state_of_an_unknown_parameter_is_refused() -> None:
    made = module()
    with pytest.raises(RecordError) as caught:
        load_state(
            build_optimizer(made, OptimizerConfig()),
            made,
            {"9.weight.step": torch.tensor(1.0)},
            where="a/checkpoint",
        )
    assert "9.weight" in caught.value.what


def test_a_checkpoint_without_state_cannot_be_gone_on_from() -> None:
    made = module()
    with pytest.raises(RecordError):
        load_state(build_optimizer(made, OptimizerConfig()), made, None, where="a/checkpoint")
