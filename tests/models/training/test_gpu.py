"""On a GPU, training computes what it computes on the CPU. Skipped where there is none.

Tolerances: fp32 sums in another order; bf16 has eight bits. Matrix products of fp32 are in full
fp32 on both (torch's default), not in TF32.
"""

import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from models import stages
from models.architecture.attention import attend, block_visibility, visibility
from models.architecture.build import build_model
from models.architecture.vlm import VisionLanguageModel
from models.data.batch import IGNORE, NO_DOCUMENT, Batch
from models.data.tokenizer import IMAGE, PADDING
from models.training.loss import NextToken
from models.training.optimizer import build_optimizer
from models.training.sharding import shard
from orchestrator.spec.execution import Device, Execution, Precision
from orchestrator.spec.model import Encoder, ModelConfig, Norm, VisionConfig
from orchestrator.spec.optimizer import OptimizerConfig
from orchestrator.spec.run import TextPretrain
from orchestrator.spec.schedule import warmup_cosine
from orchestrator.spec.source import DataSource
from orchestrator.store.stage import StageResult, StoppedError

pytestmark = [
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU"),
    pytest.mark.filterwarnings("default"),  # compiling warns, each version of its own
]

T, ROWS = 256, 6
MODEL = ModelConfig(
    width=64, depth=3, heads=2, vocab_size=512, seq_len=T, norm=Norm.GAIN_ONLY_LP, qk_norm=True
)
VISION = VisionConfig(encoder=Encoder.CNN, image_size=24, patch_size=4, feature_width=8)
P = VISION.image_tokens
CPU = Execution()
GPU = Execution(device=Device.CUDA)
BF16 = replace(GPU, precision=Precision.BF16)


def batch() -> Batch:
    """Rows of text, of captioned images one after the other, and of images with padding behind."""
    rng = np.random.default_rng(0)
    ids = rng.integers(3, MODEL.vocab_size, (ROWS, T))
    targets = rng.integers(3, MODEL.vocab_size, (ROWS, T))
    documents = np.zeros((ROWS, T), dtype=np.int32)
    images = 0
    for row in (1, 2, 4):
        documents[row] = np.arange(T) // (P + 14)
        for start in range(0, T - P, P + 14):
            ids[row, start : start + P] = IMAGE
            targets[row, start : start + P - 1] = IGNORE
            images += 1
    ids[4, -20:], targets[4, -20:], documents[4, -20:] = PADDING, IGNORE, NO_DOCUMENT
    return Batch(ids, targets, documents, np.arange(images))


def features(indices: NDArray[np.int64]) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(100, P, VISION.feature_width, generator=generator)[torch.from_numpy(indices)]


def model(execution: Execution) -> VisionLanguageModel:
    return build_model(MODEL, VISION, seed=0).to(torch.device(execution.device))


def losses(
    module: VisionLanguageModel, execution: Execution, optimizer: torch.optim.Optimizer
) -> list[float]:
    """Train ten steps on the same batch."""
    given = batch()
    parts = NextToken(
        model=module,
        batches=lambda _: given,
        features=features,
        execution=execution,
        z_loss=1e-4,
    )
    found: list[float] = []
    for group in optimizer.param_groups:
        group["lr"] = 3e-3
    for _ in range(10):
        found.append(0.0)
        for part in parts(0):
            part.objective.backward()
            found[-1] += part.loss.item()
        torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
    return found


def trained(execution: Execution) -> list[float]:
    module = model(execution)
    if execution.compile:
        module.decoder.compile_blocks()
    return losses(module, execution, build_optimizer(module, OptimizerConfig()))


@pytest.fixture(scope="module")
def on_the_cpu() -> list[float]:
    return trained(CPU)


@pytest.mark.parametrize(
    "execution", [GPU, replace(GPU, accumulation=4), replace(GPU, compile=True)]
)
def test_losses_are_those_of_the_cpu(execution: Execution, on_the_cpu: list[float]) -> None:
    assert on_the_cpu[-1] < on_the_cpu[0] - 1  # it learns
    assert trained(execution) == pytest.approx(on_the_cpu, rel=1e-3)


@pytest.mark.parametrize("execution", [BF16, replace(BF16, compile=True)])
def test_losses_in_bf16_are_near_those_in_fp32(
    execution: Execution, on_the_cpu: list[float]
) -> None:
    assert trained(execution) == pytest.approx(on_the_cpu, rel=2e-2)


@pytest.mark.parametrize("width", [16, 24, 72, 128])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 2e-2)])
def test_attention_over_blocks_is_attention_under_a_mask(
    dtype: torch.dtype, tolerance: float, width: int
) -> None:
    documents = torch.from_numpy(batch().documents).cuda()
    generator = torch.Generator("cuda").manual_seed(0)
    drawn = [
        torch.randn(ROWS, 2, T, width, generator=generator, device="cuda", dtype=dtype)
        for _ in range(4)
    ]
    q, k, v = (one.requires_grad_() for one in drawn[:3])
    compiled = torch.compile(attend)
    over_blocks = compiled(q, k, v, block_visibility(documents))
    masked = attend(q, k, v, visibility(documents, length=T, start=0, device=documents.device))
    torch.testing.assert_close(over_blocks, masked, atol=tolerance, rtol=tolerance)
    found = torch.autograd.grad(over_blocks, (q, k, v), drawn[3])
    expected = torch.autograd.grad(masked, (q, k, v), drawn[3])
    torch.testing.assert_close(found, expected, atol=10 * tolerance, rtol=tolerance)


@pytest.fixture
def alone() -> Iterator[None]:
    """A process group of one."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    torch.distributed.init_process_group(
        "nccl", init_method=f"tcp://127.0.0.1:{port}", rank=0, world_size=1
    )
    yield
    torch.distributed.destroy_process_group()


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("recomputed", [False, True])
@pytest.mark.usefixtures("alone")
def test_cut_weights_train_alike(
    compiled: bool,
    recomputed: bool,
    on_the_cpu: list[float],
) -> None:
    module = build_model(MODEL, VISION, seed=0)
    optimizer = build_optimizer(module, OptimizerConfig())
    module.decoder.recompute = recomputed
    shard(module, optimizer, GPU)
    if compiled:
        module.decoder.compile_blocks()
    assert losses(module, GPU, optimizer) == pytest.approx(on_the_cpu, rel=1e-3)


STEP = 4 * 128
TRUNK = TextPretrain(
    model=replace(MODEL, seq_len=128),
    text=DataSource(name="shapeworld/text", version="tiny"),
    val_text=DataSource(name="shapeworld/text_val", version="tiny"),
    end_tokens=12 * STEP,
    batch_tokens=STEP,
    schedule=warmup_cosine(peak=3e-3, final=1e-5, warmup=2 * STEP, length=12 * STEP),
    optimizer=OptimizerConfig(),
    seed=0,
)


def test_a_stage_that_was_stopped_ends_where_an_undisturbed_one_ends(
    stage_context: Callable[..., Any],
) -> None:
    on_cpu = stages.text_pretrain(stage_context(TRUNK, runs="cpu"))
    whole = stage_context(TRUNK, runs="whole", execution=GPU)
    undisturbed = stages.text_pretrain(whole)
    assert whole.reports[-1].device_memory_mib > 0
    with pytest.raises(StoppedError):
        stages.text_pretrain(stage_context(TRUNK, runs="cut", execution=GPU, stop_after=5))
    resumed = stages.text_pretrain(stage_context(TRUNK, runs="cut", execution=GPU))
    assert nats(resumed) == pytest.approx(nats(undisturbed), rel=1e-4)
    assert nats(undisturbed) == pytest.approx(nats(on_cpu), rel=1e-3)
    assert resumed.counts == undisturbed.counts == on_cpu.counts


def nats(result: StageResult) -> list[float]:
    return [measure.value for measure in result.measures if measure.value is not None]
