"""How fast we train on two CPU cores, against Hugging Face's Trainer and a nanoGPT-style loop.

Run by hand: `python tests/benchmarks/training.py [--rounds 7] [--only demo] [--threads 2]`. All
contestants have the same width, depth, vocabulary, sequences and batch, fp32, clipping and fused
AdamW, and read the same token shards: ours through the whole data pipeline, the others from an
array that is open already. Ours is the project's loop with rotary positions and normalised queries
and keys, which the nanoGPT-style model does without. The contestants take turns, so that a busy
machine slows all of them; a ratio is the median, over rounds, of tokens per second in one round,
ours over theirs. With one thread, as studies run on two cores, time is the thread's CPU time, on
which other programs have little bearing; with two it is what passed, which means something only on
an idle machine. The Trainer needs `accelerate`; without it that contestant is left out. Beside them
runs what no step of this shape can do without, the matrix products and the attention: how far it is
ahead of the others is what any of them could gain.
"""

import argparse
import importlib.util
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.architecture.build import build_model
from models.data.pretraining import PretrainingData
from models.data.shards import open_token_shards, write_token_shards
from models.stages.next_token import next_token
from models.stages.start import prepare
from models.training.loop import Training, train
from models.training.optimizer import build_optimizer
from orchestrator.spec.execution import Execution
from orchestrator.spec.model import ModelConfig, Norm
from orchestrator.spec.optimizer import OptimizerConfig
from orchestrator.spec.run import RunConfig, TextPretrain
from orchestrator.spec.schedule import warmup_cosine
from orchestrator.spec.source import DataSource
from orchestrator.store.layout import RunFolder
from orchestrator.store.stage import Progress
from orchestrator.store.world import World

IGNORED_STEPS = 3
TRAINER_GOAL, LOOP_GOAL = 1.5, 1.0
ALONE = "products alone"


def now() -> float:
    """Return CPU seconds with one thread, and the time with several: waiting threads burn CPU."""
    return time.thread_time() if torch.get_num_threads() == 1 else time.perf_counter()


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What is trained."""

    name: str
    width: int
    depth: int
    heads: int
    vocab_size: int
    seq_len: int
    batch: int
    """Sequences of one step."""
    steps: int
    """Timed steps of one round."""
    multiple: int

    @property
    def model(self) -> ModelConfig:
        return ModelConfig(
            width=self.width,
            depth=self.depth,
            heads=self.heads,
            vocab_size=self.vocab_size,
            seq_len=self.seq_len,
            norm=Norm.GAIN_ONLY_LP,
            qk_norm=True,
            ffn_multiple=self.multiple,
        )


SHAPES = (
    Shape(
        name="demo", width=48, depth=2, heads=2, vocab_size=448, seq_len=128, batch=4, steps=20,
        multiple=32,
    ),
    Shape(
        name="middle", width=256, depth=6, heads=8, vocab_size=8192, seq_len=256, batch=4, steps=3,
        multiple=64,
    ),
)  # fmt: skip


@dataclass
class BenchContext:
    """A run in a temporary folder that keeps the time of each step."""

    config: RunConfig
    folder: RunFolder
    data_root: Path
    execution: Execution
    world: World
    times: list[float]

    def parent(self, run_id: str) -> RunFolder:
        raise KeyError(run_id)

    def previous(self) -> RunFolder | None:
        return None

    def data(self, source: DataSource) -> Path:
        return self.data_root / source.part

    def resumed(self, step: int) -> None:  # noqa: ARG002  (the protocol's name)
        self.times.clear()

    def report(self, progress: Progress) -> None:  # noqa: ARG002  (the protocol's name)
        self.times.append(now())

    def holding(self) -> AbstractContextManager[None]:
        return nullcontext()

    def stop_requested(self) -> bool:
        return False


def ours(shape: Shape, folder: Path) -> Callable[[], float]:
    """Return a function that trains for a round and gives seconds per step."""
    T, tokens = shape.seq_len, shape.batch * shape.seq_len
    end = (IGNORED_STEPS + shape.steps) * tokens
    source = DataSource(name="bench/text", version="1")
    schedule = warmup_cosine(peak=1e-3, final=1e-4, warmup=tokens, length=end)
    config = TextPretrain(
        model=shape.model, text=source, val_text=None, end_tokens=end, batch_tokens=tokens,
        schedule=schedule, optimizer=OptimizerConfig(), seed=0,
    )  # fmt: skip
    execution = Execution(threads=torch.get_num_threads())
    rounds = iter(range(1_000_000))
    model = build_model(config.model, None, 0)
    data = PretrainingData(folder / "text", None, seq_len=T, seed=0)

    def go() -> float:
        run = RunFolder(folder / f"run {next(rounds)}")
        run.path.mkdir()
        context = BenchContext(config, run, folder, execution, World(), [])
        prepare(context)
        optimizer = build_optimizer(model, config.optimizer)
        training = Training(
            module=model,
            optimizer=optimizer,
            parts=next_token(
                context, config, model, lambda at: data.batch(at // T, shape.batch), None
            ),
            schedule=schedule,
            grad_clip=config.optimizer.grad_clip,
            batch=tokens,
            end=end,
            keep_optimizer=False,
        )
        train(training, context)
        torch.use_deterministic_algorithms(False)
        return per_step(context.times)

    return go


def per_step(times: list[float]) -> float:
    """Return the mean seconds of the steps after the first few, from when each one ended."""
    kept = times[IGNORED_STEPS - 1 :]
    return (kept[-1] - kept[0]) / (len(kept) - 1)


class PlainBlock(nn.Module):
    """GPT-2's block, as nanoGPT writes it without biases."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        D = shape.width
        self.heads = shape.heads
        self.norm_1, self.norm_2 = nn.LayerNorm(D, bias=False), nn.LayerNorm(D, bias=False)
        self.qkv, self.out = nn.Linear(D, 3 * D, bias=False), nn.Linear(D, D, bias=False)
        self.up, self.down = nn.Linear(D, 4 * D, bias=False), nn.Linear(4 * D, D, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        B, T, D = x.shape
        q, k, v = (
            part.view(B, T, self.heads, -1).transpose(1, 2)
            for part in self.qkv(self.norm_1(x)).split(D, -1)
        )
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(mixed.transpose(1, 2).reshape(B, T, D))
        return x + self.down(F.gelu(self.up(self.norm_2(x))))


class PlainGpt(nn.Module):
    """nanoGPT's model: learned positions; the output layer is the embedding if `tied`."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.tokens = nn.Embedding(shape.vocab_size, shape.width)
        self.positions = nn.Embedding(shape.seq_len, shape.width)
        self.blocks = nn.Sequential(*(PlainBlock(shape) for _ in range(shape.depth)))
        self.norm = nn.LayerNorm(shape.width, bias=False)
        self.head = nn.Linear(shape.width, shape.vocab_size, bias=False)
        if shape.model.weight_tying:
            self.head.weight = self.tokens.weight

    def forward(self, ids: Tensor, targets: Tensor) -> Tensor:
        places = torch.arange(ids.shape[1])
        x = self.blocks(self.tokens(ids) + self.positions(places))
        return F.cross_entropy(self.head(self.norm(x)).flatten(0, 1), targets.flatten())


def plain_loop(shape: Shape, folder: Path) -> Callable[[], float]:
    """Return a function that trains nanoGPT's way for a round and gives seconds per step."""
    sequences = open_token_shards(folder / "text", shape.seq_len)
    model = PlainGpt(shape)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.95), fused=True)

    def go() -> float:
        times: list[float] = []
        for _ in range(IGNORED_STEPS + shape.steps):
            rows = torch.randint(len(sequences), (shape.batch,)).numpy()
            chosen = torch.from_numpy(sequences[rows].astype(np.int64))
            loss = model(chosen[:, :-1].contiguous(), chosen[:, 1:].contiguous())
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            times.append(now())
        return per_step(times)

    return go


def products_alone(shape: Shape) -> Callable[[], float]:
    """Return a function that does a step's matrix products and attention, forward and backward.

    It gives seconds per step.
    """
    B, T, D, heads = shape.batch, shape.seq_len, shape.width, shape.heads
    hidden = shape.model.ffn_width
    block = [(D, 3 * D), (D, D), (D, 2 * hidden), (hidden, D)]
    sizes = [*block * shape.depth, (D, shape.vocab_size)]
    layers = [nn.Linear(before, after, bias=False) for before, after in sizes]
    into = [torch.randn(B * T, before, requires_grad=True) for before, _ in sizes]
    behind = [torch.randn(B * T, after) for _, after in sizes]
    q, k, v, mixed = torch.randn(4, B, heads, T, D // heads)
    for one in (q, k, v):
        one.requires_grad_()

    def go() -> float:
        times: list[float] = []
        for _ in range(IGNORED_STEPS + shape.steps):
            for layer, x, gradient in zip(layers, into, behind, strict=True):
                x.grad = layer.weight.grad = None
                layer(x).backward(gradient)
            for _ in range(shape.depth):
                q.grad = k.grad = v.grad = None
                F.scaled_dot_product_attention(q, k, v, is_causal=True).backward(mixed)
            times.append(now())
        return per_step(times)

    return go


class Rows(torch.utils.data.Dataset[Any]):
    """Sequences as the Trainer takes them."""

    def __init__(self, sequences: Any) -> None:
        self.sequences = sequences

    def __len__(self) -> int:
        return len(self.sequences)

    def __getitem__(self, number: int) -> dict[str, Tensor]:
        ids = torch.from_numpy(self.sequences[number][:-1].astype(np.int64))
        return {"input_ids": ids, "labels": ids}


def trainer(shape: Shape, folder: Path) -> Callable[[], float]:
    """Return a function that lets transformers' Trainer train for a round."""
    import transformers as hf

    hf.logging.set_verbosity_error()
    shared: dict[str, Any] = {
        "hidden_size": shape.width,
        "intermediate_size": shape.model.ffn_width,
        "num_hidden_layers": shape.depth,
        "num_attention_heads": shape.heads,
        "vocab_size": shape.vocab_size,
        "max_position_embeddings": shape.seq_len,
        "tie_word_embeddings": shape.model.weight_tying,
        "use_cache": False,
    }
    model = hf.LlamaForCausalLM(hf.LlamaConfig(**shared))
    rows = Rows(open_token_shards(folder / "text", shape.seq_len))
    arguments = hf.TrainingArguments(
        output_dir=str(folder / "trainer"),
        max_steps=IGNORED_STEPS + shape.steps,
        per_device_train_batch_size=shape.batch,
        learning_rate=1e-3,
        optim="adamw_torch_fused",
        max_grad_norm=1.0,
        use_cpu=True,
        save_strategy="no",
        logging_strategy="no",
        report_to=[],
        disable_tqdm=True,
    )

    class Clock(hf.TrainerCallback):
        def __init__(self) -> None:
            self.times: list[float] = []

        def on_step_end(self, *_: Any, **__: Any) -> None:
            self.times.append(now())

    def go() -> float:
        clock = Clock()
        run = hf.Trainer(model=model, args=arguments, train_dataset=rows, callbacks=[clock])
        run.remove_callback(hf.trainer_callback.PrinterCallback)
        run.train()
        return per_step(clock.times)

    return go


def write_text(shape: Shape, folder: Path) -> None:
    rng = np.random.default_rng(0)
    ids = rng.integers(0, shape.vocab_size, (512, shape.seq_len + 1))
    write_token_shards(folder / "text", list(ids), 256)


def compare(shape: Shape, rounds: int) -> None:
    """Print tokens per second of each contestant and the ratios."""
    tokens = shape.batch * shape.seq_len
    print(
        f"{shape.name}: width {shape.width}, depth {shape.depth}, heads {shape.heads}, "
        f"vocabulary {shape.vocab_size}, {shape.batch} x {shape.seq_len} tokens a step, fp32, "
        f"{torch.get_num_threads()} threads"
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_text(shape, folder)
        contestants = {
            "ours": ours(shape, folder),
            "nanoGPT-style loop": plain_loop(shape, folder),
            ALONE: products_alone(shape),
        }
        if importlib.util.find_spec("accelerate") is None:
            print("  Trainer: left out, `accelerate` is not installed")
        else:
            contestants["Trainer"] = trainer(shape, folder)
        speeds: dict[str, list[float]] = {who: [] for who in contestants}
        for number in range(rounds + 1):
            for who, go in contestants.items():
                speed = tokens / go()
                if number:  # the first round warms up
                    speeds[who].append(speed)
    for who, found in speeds.items():
        print(f"  {who}: {statistics.median(found):,.0f} tokens/s")
    for who, goal in (("Trainer", TRAINER_GOAL), ("nanoGPT-style loop", LOOP_GOAL)):
        if who in speeds:
            pairs = zip(speeds["ours"], speeds[who], strict=True)
            each = [mine / other for mine, other in pairs]
            ratio = statistics.median(each)
            most = statistics.median(speeds[ALONE]) / statistics.median(speeds[who])
            print(
                f"  ours / {who}: {ratio:.2f} (rounds {min(each):.2f} to {max(each):.2f}), "
                f"goal {goal}: {'met' if ratio >= goal else 'missed'}; "
                f"{ALONE} / {who}: {most:.2f}"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="timed rounds")
    parser.add_argument("--only", choices=[shape.name for shape in SHAPES], help="one shape")
    parser.add_argument("--threads", type=int, default=1, help="of each contestant")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    for shape in SHAPES:
        if arguments.only in (None, shape.name):
            compare(shape, arguments.rounds)


if __name__ == "__main__":
    main()
