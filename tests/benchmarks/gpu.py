"""Model-FLOP utilisation of one GPU, peak memory, and the time that a checkpoint takes.

Run by hand on a machine with a GPU: `python tests/benchmarks/gpu.py --profile one_h100`; anywhere
as a check that it works: `--device cpu --tiny`. Our loss, clipping and optimizer on made-up tokens,
in bf16 under autocast; with `--compile`, blocks are compiled. MFU is the planner's exact FLOP of a
step (`orchestrator.plan.cost.count`: forward and backward, half of attention as it is causal,
nothing for recomputation) over the step's time and the profile's dense peak. With images, one
sequence in ten holds one picture whose precomputed features pass the projector; its patches carry
no loss, and the projector's FLOP and the scores that are not made are counted so.
"""

import argparse
import statistics
import tempfile
import time
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.architecture.build import build_model
from models.data.batch import IGNORE, Batch
from models.data.tokenizer import IMAGE
from models.training import checkpoint
from models.training.checkpoint import Checkpoint
from models.training.loss import NextToken
from models.training.optimizer import build_optimizer, state_tensors
from orchestrator.plan.cost.count import output_flops, projector_flops, token_flops
from orchestrator.spec.execution import Device, Execution, Precision
from orchestrator.spec.model import Encoder, ModelConfig, VisionConfig
from orchestrator.spec.optimizer import OptimizerConfig
from orchestrator.spec.presets import PRESETS
from orchestrator.store.profile_file import load_profile

NAMES = {"open_lm_79m": 16, "open_lm_411m": 8, "open_lm_1b": 4}
"""Presets (79M, 411M and 1.4B), and the sequences of one step. Assumed to fit 80 GB."""
GOALS = {"open_lm_79m": 0.30, "open_lm_411m": 0.40, "open_lm_1b": 0.45}
"""Model-FLOP utilisation to reach on one H100. Assumed: none has been measured yet."""
WARM, TIMED = 3, 10
VISION = VisionConfig(encoder=Encoder.CNN, image_size=224, patch_size=16, feature_width=1024)
TINY_VISION = VisionConfig(encoder=Encoder.CNN, image_size=8, patch_size=4, feature_width=8)
TINY = replace(PRESETS["open_lm_11m"], width=32, depth=2, heads=2, vocab_size=256, seq_len=64)


@dataclass(frozen=True, slots=True)
class Options:
    """How it is measured."""

    execution: Execution
    peak: float
    """FLOP per second."""
    warm: int
    """Steps that are not timed."""
    timed: int
    """Steps that are."""


def drawn(model: ModelConfig, sequences: int, vision: VisionConfig | None) -> Batch:
    """Return tokens at random; with `vision`, a tenth of the rows, at least one, has an image."""
    rng = np.random.default_rng(0)
    ids = rng.integers(1, model.vocab_size, (sequences, model.seq_len))
    targets = rng.integers(1, model.vocab_size, ids.shape)
    shown = 0 if vision is None else max(1, round(sequences / 10))
    if vision is not None:
        ids[:shown, : vision.image_tokens] = IMAGE
        targets[:shown, : vision.image_tokens - 1] = IGNORE
    return Batch(ids, targets, np.zeros(ids.shape, dtype=np.int32), np.arange(shown))


def flops(model: ModelConfig, vision: VisionConfig | None, batch: Batch) -> float:
    """Return the model FLOP of a step, forward and backward."""
    unscored = batch.targets.size - batch.supervised
    forward = token_flops(model) * batch.ids.size - output_flops(model) * unscored
    if vision is not None:
        forward += projector_flops(model, vision) * vision.image_tokens * len(batch.images)
    return 3 * forward


def measure(
    name: str, model: ModelConfig, sequences: int, vision: VisionConfig | None, options: Options
) -> None:
    """Print one line about one model."""
    device = torch.device(options.execution.device)
    module = build_model(model, vision, 0).to(device)
    if options.execution.compile:
        for block in module.decoder.layers:
            block.compile()
    optimizer = build_optimizer(module, OptimizerConfig())
    batch = drawn(model, sequences, vision)

    def features(indices: NDArray[np.int64]) -> Tensor:
        assert vision is not None, "only then are there images"
        return torch.zeros(len(indices), vision.image_tokens, vision.feature_width)

    parts = NextToken(
        model=module,
        batches=lambda _: batch,
        features=features,
        execution=options.execution,
        z_loss=1e-4,
    )

    def step() -> float:
        began = time.perf_counter()
        for part in parts(0):
            part.objective.backward()
        nn.utils.clip_grad_norm_(module.parameters(), 1.0).item()
        optimizer.step()
        optimizer.zero_grad()
        finish(device)
        return time.perf_counter() - began

    for _ in range(options.warm):
        step()
    seconds = statistics.median(step() for _ in range(options.timed))
    with tempfile.TemporaryDirectory() as folder:
        saved = save(Path(folder), module, optimizer)
    mfu = flops(model, vision, batch) / seconds / options.peak
    memory = "no GPU memory"
    if device.type == "cuda":
        memory = f"peak {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB"
    goal = GOALS.get(name)
    verdict = "" if goal is None else f", goal {goal:.0%}: {'met' if mfu >= goal else 'missed'}"
    print(
        f"{name}, {sequences} x {model.seq_len}, {'with images' if vision else 'text'}: "
        f"{batch.ids.size / seconds:,.0f} tokens/s, MFU {mfu:.1%}{verdict}; "
        f"{memory}; a checkpoint {saved:.2f} s"
    )


def save(folder: Path, module: nn.Module, optimizer: torch.optim.Optimizer) -> float:
    """Return the seconds for which a checkpoint holds training up."""
    began = time.perf_counter()
    written = Checkpoint(
        step=1,
        position=1,
        counters={},
        weights=module.state_dict(),
        optimizer=state_tensors(optimizer, module),
    )
    checkpoint.save(folder, written, keep=1, holding=nullcontext)
    return time.perf_counter() - began


def finish(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=list(Device), type=Device, default=Device.CUDA)
    parser.add_argument("--profile", default="one_h100", help="whose gpu.peak_teraflops counts")
    parser.add_argument("--tiny", action="store_true", help="a small model, to see that it works")
    parser.add_argument("--compile", action="store_true", help="compile the blocks")
    given = parser.parse_args()
    gpu = load_profile(given.profile).gpu
    execution = Execution(device=given.device, precision=Precision.BF16, compile=given.compile)
    options = Options(
        execution, gpu.peak_teraflops * 1e12, *((1, 2) if given.tiny else (WARM, TIMED))
    )
    print(f"peak of {gpu.name}: {gpu.peak_teraflops:g} TFLOP/s, dense bf16")
    for name, sequences in ({"tiny": 2} if given.tiny else NAMES).items():
        model = TINY if given.tiny else PRESETS[name]
        for vision in (None, TINY_VISION if given.tiny else VISION):
            if given.device is Device.CUDA:
                torch.cuda.empty_cache()
                torch.cuda.reset_peak_memory_stats()
            measure(name, model, sequences, vision, options)


if __name__ == "__main__":
    main()
