"""What `python -m open_lm.main` does of open_lm at 9bb92ef, as far as the adapter uses it.

Flags are read as strictly; shards are taken whole; a checkpoint is three files written one after
the other; a loss that is no number ends with exit code 0, a finished training with an error.
Several processes take turns in each batch's rows, and the first one writes.
`STANDIN_SPOIL=<step>` makes a loss infinite, `STANDIN_DIE=<file>` ends it before a file is written,
`STANDIN_DIE=rank_<number>` before that process meets the others; `STANDIN_SAVE_SECONDS` makes
writing slow.
"""

import argparse
import json
import os
import signal
import tarfile
import time
from pathlib import Path
from typing import IO, cast

import numpy as np
import torch
import torch.nn.functional as F

from models.architecture.build import build_model
from orchestrator.spec.model import FeedForward, ModelConfig, Norm

parser = argparse.ArgumentParser(allow_abbrev=False)
for flag, kind in {
    **dict.fromkeys(["--model", "--data-key", "--precision", "--lr-scheduler", "--name"], str),
    **dict.fromkeys(["--logs", "--resume", "--report-to", "--attn-name", "--dist-backend"], str),
    **dict.fromkeys(["--train-num-samples", "--epochs", "--global-batch-size", "--warmup"], int),
    **dict.fromkeys(["--accum-freq", "--workers", "--seed", "--save-frequency"], int),
    **dict.fromkeys(["--log-every-n-steps"], int),
    **dict.fromkeys(["--lr", "--lr-cooldown-end", "--force-min-lr", "--beta1", "--beta2"], float),
    **dict.fromkeys(["--eps", "--wd", "--grad-clip-norm", "--z-loss-coefficient"], float),
}.items():
    parser.add_argument(flag, type=kind)
parser.add_argument("--dataset-manifest", nargs="+")
for flag in ("--fsdp", "--fsdp-amp", "--grad-checkpointing", "--torchcompile"):
    parser.add_argument(flag, action="store_true")


def learning_rate(args: argparse.Namespace, step: int, total: int) -> float:
    if step < args.warmup:
        return args.lr * (step + 1) / args.warmup
    if args.lr_scheduler == "const":
        return args.lr
    share = (step - args.warmup) / (total - args.warmup)
    half = 0.5 * (1 + np.cos(np.pi * share))
    return max(half * (args.lr - args.lr_cooldown_end) + args.lr_cooldown_end, args.force_min_lr)


def sequences_of(shard: Path) -> list[list[int]]:
    with tarfile.open(shard) as members:
        return [json.load(cast(IO[bytes], members.extractfile(member))) for member in members]


def save(folder: Path, number: int, content: dict[str, object], more: dict[str, object]) -> None:
    time.sleep(float(os.environ.get("STANDIN_SAVE_SECONDS", "0")))
    for prefix, value in (("epoch", content), ("optimizer", more), ("stats", None)):
        if os.environ.get("STANDIN_DIE") == f"{prefix}_{number}":
            os.kill(os.getpid(), signal.SIGKILL)
        kept = value or {key: item for key, item in content.items() if key != "state_dict"}
        torch.save(kept, folder / f"{prefix}_{number}.pt")


def meet(backend: str | None) -> tuple[int, int]:
    """Find the other processes; return this one's number and how many there are."""
    rank, size = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    if os.environ.get("STANDIN_DIE") == f"rank_{rank}":
        os.kill(os.getpid(), signal.SIGKILL)
    if size > 1:
        torch.distributed.init_process_group(backend)
    return rank, size


def add_up_gradients(model: torch.nn.Module, size: int) -> None:
    for parameter in model.parameters():
        if size > 1 and parameter.grad is not None:
            torch.distributed.all_reduce(parameter.grad)


def main() -> None:  # noqa: PLR0915  (one straight line, as the original)
    args = parser.parse_args()
    assert os.environ["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"] == "1"
    assert not [name for name in os.environ if name.startswith("SLURM_")]
    torch.set_num_threads(1)
    rank, size = meet(args.dist_backend)
    with Path(args.model).open() as file:
        shape = json.load(file)
    config = ModelConfig(
        width=shape["hidden_dim"],
        depth=shape["n_layers"],
        heads=shape["n_heads"],
        vocab_size=shape["vocab_size"],
        seq_len=shape["seq_len"],
        norm=Norm(shape["model_norm"]),
        qk_norm=shape["qk_norm"],
        ffn=FeedForward.SWIGLU if "swiglu" in shape["ffn_type"] else FeedForward.GELU,
        weight_tying=shape["weight_tying"],
        post_embed_norm=shape["post_embed_norm"],
    )
    model = build_model(config, None, args.seed).decoder
    optimizer = torch.optim.AdamW(
        [
            {"params": [], "weight_decay": 0.0},
            {"params": list(model.parameters()), "weight_decay": args.wd},
        ],
        lr=args.lr,
        betas=(args.beta1, args.beta2),
        eps=args.eps,
    )
    logs = Path(args.logs) / args.name
    checkpoints = logs / "checkpoints"
    checkpoints.mkdir(parents=True, exist_ok=True)
    wanted = args.train_num_samples // config.seq_len
    total = wanted * args.epochs // args.global_batch_size
    epoch = step = seen = taken = 0
    there = sorted(checkpoints.glob("epoch_*.pt"), key=lambda path: int(path.stem[6:]))
    if there:
        known = torch.load(there[-1], weights_only=False)
        epoch, step, seen = known["epoch"], known["step"], known["samples_seen"]
        (taken,) = known["next_shard_per_source"]
        assert known["shard_shuffle_seed"] == args.seed
        model.load_state_dict(known["state_dict"])
        other = Path(str(there[-1]).replace("epoch_", "optimizer_"))
        optimizer.load_state_dict(torch.load(other, weights_only=False)["optimizer"])
        if seen >= wanted * args.epochs:
            raise RuntimeError("Loaded a checkpoint which has already seen the desired number.")
    manifest = Path(args.dataset_manifest[0])
    shards = [json.loads(line) for line in manifest.read_text().splitlines()]
    np.random.default_rng(args.seed).shuffle(shards)
    while step < total:
        rows: list[list[int]] = []
        while len(rows) < wanted:
            rows += sequences_of(manifest.parent / f"{shards[taken]['shard']}.tar")
            taken += 1
        before = step
        for start in range(0, len(rows) // args.global_batch_size * args.global_batch_size, 1):
            if start % args.global_batch_size or step >= total:
                continue
            ids = torch.tensor(rows[start + rank : start + args.global_batch_size : size])
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(args, step, total)
            hidden = model(model.embed(ids[:, :-1]), None, None)
            loss = F.cross_entropy(model.logits(hidden).flatten(0, 1), ids[:, 1:].flatten())
            if str(step) == os.environ.get("STANDIN_SPOIL"):
                (logs / "out.log").write_text("Training exiting due to NaN value\n")
                return
            (loss / size).backward()
            add_up_gradients(model, size)
            torch.nn.utils.clip_grad_norm_(model.parameters(), args.grad_clip_norm)
            optimizer.step()
            optimizer.zero_grad()
            step += 1
            time.sleep(float(os.environ.get("STANDIN_STEP_SECONDS", "0")))
        epoch, seen = epoch + 1, seen + (step - before) * args.global_batch_size
        content: dict[str, object] = {
            "epoch": epoch,
            "name": args.name,
            "state_dict": model.state_dict(),
            "next_shard_per_source": [taken],
            "samples_seen": seen,
            "step": step,
            "shard_shuffle_seed": args.seed,
        }
        if rank == 0:
            more: dict[str, object] = {"epoch": epoch, "optimizer": optimizer.state_dict()}
            save(checkpoints, epoch, content, more)


if __name__ == "__main__":
    main()
