"""Compiled blocks whose weights are cut train as whole ones that are not compiled.

In one process: to compile in a fork of a process that has compiled may never end.
"""

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch

from models.architecture.build import build_model
from models.training.optimizer import build_optimizer
from models.training.sharding import shard
from orchestrator.spec.optimizer import OptimizerConfig
from tests.models.training.test_gpu import CPU, MODEL, VISION, losses, trained
from tests.models.training.test_ranks import free_port

pytestmark = pytest.mark.filterwarnings("default")  # compiling warns, each version of its own


@pytest.fixture
def alone() -> Iterator[None]:
    """A process group of one."""
    torch.distributed.init_process_group(
        "gloo", init_method=f"tcp://127.0.0.1:{free_port()}", rank=0, world_size=1
    )
    yield
    torch.distributed.destroy_process_group()


@pytest.mark.parametrize("recomputed", [False, True])
@pytest.mark.usefixtures("alone")
def test_cut_and_compiled_blocks_train_alike(*, recomputed: bool) -> None:
    module = build_model(MODEL, VISION, seed=0)
    optimizer = build_optimizer(module, OptimizerConfig())
    module.decoder.recompute = recomputed
    shard(module, optimizer, CPU)
    module.decoder.compile_blocks()
    found = losses(module, replace(CPU, compile=True), optimizer)
    assert found == pytest.approx(trained(CPU), rel=1e-3)  # fused operations round otherwise
