"""Model-FLOP utilisation of one GPU, peak memory, and the time that a checkpoint takes.

Run by hand on a machine with a GPU: `python tests/benchmarks/gpu.py --profile one_h100`; anywhere
as a check that it works: `--device cpu --tiny`. Our loss, clipping and optimizer on made-up tokens,
in bf16 under autocast; blocks are compiled unless `--eager`. MFU is the planner's exact FLOP of a
step (`orchestrator.plan.cost.count`: forward and backward, half of attention as it is causal,
nothing for recomputation) over the step's time and the profile's dense peak. With images, one
sequence in ten, at least one of each micro-batch, is packed with captioned images whose precomputed
features pass the projector: patches carry no loss, attention stays inside each image and its
caption, and the FLOP are counted so.
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
from models.training.sharding import copied
from orchestrator.plan.cost.count import (
    TRAINING_PASSES,
    attention_flops,
    block_flops,
    output_flops,
    projector_flops,
)
from orchestrator.spec.execution import Device, Execution, Precision
from orchestrator.spec.model import Encoder, ModelConfig, VisionConfig
from orchestrator.spec.optimizer import OptimizerConfig
from orchestrator.spec.presets import PRESETS
from orchestrator.store.profile_file import load_profile

NAMES = {"open_lm_79m": 32, "open_lm_411m": 16, "open_lm_1b": 8}
"""Presets (79M, 411M and 1.4B), and the sequences of one micro-batch."""
ACCUMULATION = 4
"""Micro-batches of one step."""
GOALS = {"open_lm_1b": (0.50, 0.45)}
"""Model-FLOP utilisation to reach on one H100, on text and with images."""
CAPTION = 40
"""Tokens of a caption."""
WARM, TIMED = 2, 6
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
    """Return tokens at random; with `vision`, a tenth of the rows is packed with images."""
    rng = np.random.default_rng(0)
    ids = rng.integers(1, model.vocab_size, (sequences, model.seq_len))
    targets = rng.integers(1, model.vocab_size, ids.shape)
    documents = np.zeros(ids.shape, dtype=np.int32)
    images = 0
    for row in range(0 if vision is None else sequences)[::10]:
        assert vision is not None, "only then are there images"
        documents[row] = np.arange(model.seq_len) // (vision.image_tokens + CAPTION)
        for start in range(0, model.seq_len - vision.image_tokens, vision.image_tokens + CAPTION):
            ids[row, start : start + vision.image_tokens] = IMAGE
            targets[row, start : start + vision.image_tokens - 1] = IGNORE
            images += 1
    return Batch(ids, targets, documents, np.arange(images))


def flops(model: ModelConfig, vision: VisionConfig | None, batch: Batch) -> float:
    """Return the model FLOP of a step, forward and backward."""
    lengths = [np.unique(row, return_counts=True)[1] for row in batch.documents]
    seen = sum(float(np.square(length.astype(float)).sum()) for length in lengths)
    forward = block_flops(model) * batch.ids.size + attention_flops(model) * seen
    forward += output_flops(model) * batch.supervised
    if vision is not None:
        forward += projector_flops(model, vision) * vision.image_tokens * len(batch.images)
    return TRAINING_PASSES * forward


def measure(
    name: str, model: ModelConfig, sequences: int, vision: VisionConfig | None, options: Options
) -> None:
    """Print one line about one model."""
    execution = options.execution
    device = torch.device(execution.device)
    module = build_model(model, vision, 0).to(device)
    if execution.compile:
        module.decoder.compile_blocks()
    optimizer = build_optimizer(module, OptimizerConfig())
    batch = drawn(model, sequences * execution.accumulation, vision)

    def features(indices: NDArray[np.int64]) -> Tensor:
        assert vision is not None, "only then are there images"
        return torch.zeros(len(indices), vision.image_tokens, vision.feature_width)

    parts = NextToken(
        model=module,
        batches=lambda _: batch,
        features=None if vision is None else features,
        execution=execution,
        z_loss=1e-4,
    )

    def step() -> float:
        began = time.perf_counter()
        losses: list[Tensor] = []
        for part in parts(0):
            part.objective.backward()
            losses.append(part.loss)
        torch.stack(losses).tolist()
        nn.utils.clip_grad_norm_(module.parameters(), 1.0).item()
        optimizer.step()
        optimizer.zero_grad()
        finish(device)
        return time.perf_counter() - began

    warm = [step() for _ in range(options.warm)]
    seconds = statistics.median(step() for _ in range(options.timed))
    mfu = flops(model, vision, batch) / seconds / options.peak
    memory = "no GPU memory"
    if device.type == "cuda":
        memory = f"peak {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB"
    saved = ""
    if vision is None:
        held, again, written = save(module, optimizer)
        saved = f"; a checkpoint holds training for {held:.2f} s, the next for {again:.2f} s"
        saved += f", and is on disk after {written:.2f} s more"
    goal = GOALS[name][vision is not None] if name in GOALS else None
    verdict = "" if goal is None else f", goal {goal:.0%}: {'met' if mfu >= goal else 'missed'}"
    print(
        f"{name}, {execution.accumulation} x {sequences} x {model.seq_len}, "
        f"{'with images' if vision else 'text'}: {batch.ids.size / seconds:,.0f} tokens/s, "
        f"MFU {mfu:.1%}{verdict}; first step {warm[0]:.1f} s; {memory}{saved}",
        flush=True,
    )


def save(module: nn.Module, optimizer: torch.optim.Optimizer) -> tuple[float, float, float]:
    """Return the seconds for which two checkpoints hold training up, and to write one."""
    began = time.perf_counter()
    weights, state = copied(module.state_dict()), copied(state_tensors(optimizer, module))
    held = time.perf_counter() - began
    del weights, state
    began = time.perf_counter()
    weights, state = copied(module.state_dict()), copied(state_tensors(optimizer, module))
    again = time.perf_counter() - began
    made = Checkpoint(step=1, position=1, counters={}, weights=weights, optimizer=state)
    with tempfile.TemporaryDirectory() as folder:
        checkpoint.save(Path(folder), made, keep=1, holding=nullcontext)
        return held, again, time.perf_counter() - began - again


def finish(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=list(Device), type=Device, default=Device.CUDA)
    parser.add_argument("--profile", default="one_h100", help="whose gpu.peak_teraflops counts")
    parser.add_argument("--tiny", action="store_true", help="a small model, to see that it works")
    parser.add_argument("--eager", action="store_true", help="compile nothing")
    given = parser.parse_args()
    gpu = load_profile(given.profile).gpu
    execution = Execution(
        device=given.device,
        precision=Precision.BF16,
        accumulation=ACCUMULATION,
        compile=not given.eager,
    )
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
