"""How long a worker takes from the start of its process to its first step, beside importing torch.

Run by hand: `python tests/benchmarks/startup.py`. One tiny run of the demo's shape is prepared as a
launcher leaves it, and attempted anew each time by `python -m orchestrator.worker`; the first step
is the first line of `metrics.jsonl`, looked for every 5 ms. A bare
`python -c "import torch"` is measured before each attempt. Medians, and of the pairs' difference.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from models.data.shards import token_index, write_token_shards
from orchestrator.spec.execution import Execution
from orchestrator.spec.identity import run_id
from orchestrator.spec.launch import Tracking
from orchestrator.spec.model import ModelConfig, Norm
from orchestrator.spec.optimizer import OptimizerConfig
from orchestrator.spec.run import Stage, TextPretrain
from orchestrator.spec.schedule import warmup_cosine
from orchestrator.spec.source import DataSource
from orchestrator.store.attempts import DataFolder, Intent, claim_attempt, write_intent
from orchestrator.store.layout import RunFolder
from orchestrator.store.records import RunRecord, write_run

ROOT = Path(__file__).parents[2]
GOAL_SECONDS, PATIENCE_SECONDS, PAIRS = 3.0, 60.0, 5
FUNCTION = "models.stages:text_pretrain"
TOKENS, STEPS = 512, 4
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def prepared(root: Path) -> RunFolder:
    """Write a run's records as a launcher does."""
    source = DataSource(name="bench/text", version="1")
    schedule = warmup_cosine(peak=8e-3, final=8e-4, warmup=TOKENS, length=STEPS * TOKENS)
    config = TextPretrain(
        model=ModelConfig(
            width=32,
            depth=2,
            heads=2,
            vocab_size=448,
            seq_len=128,
            norm=Norm.GAIN_ONLY_LP,
            qk_norm=True,
            ffn_multiple=32,
        ),
        text=source,
        val_text=None,
        end_tokens=STEPS * TOKENS,
        batch_tokens=TOKENS,
        schedule=schedule,
        optimizer=OptimizerConfig(),
        seed=0,
    )
    folder = RunFolder(root / "runs" / run_id(config, FUNCTION))
    record = RunRecord(
        study="startup",
        run_id=folder.run_id,
        stage=Stage.TEXT_PRETRAIN,
        function=FUNCTION,
        config=config,
        needs=(),
        previous=None,
        arms=("timing",),
        axes=(),
        title="the first step",
    )
    write_run(folder, record)
    attempt = claim_attempt(folder)
    intent = Intent(
        attempt=attempt.number,
        token="timing",
        execution=Execution(),
        data=(DataFolder(name=source.name, version=source.version, folder=str(root / "text")),),
        tracking=Tracking.OFF,
        backend="timing",
        slot=None,
        host="here",
        time=datetime.now(UTC).isoformat(timespec="milliseconds"),
    )
    write_intent(attempt, intent)
    return folder


def write_text(root: Path) -> None:
    ids = np.random.default_rng(0).integers(0, 448, (256, 129))
    write_token_shards(root / "text", list(ids), 128)
    token_index(root / "text").arrays()


def to_first_step(root: Path) -> float:
    """Return the seconds from the start of a worker to its first step."""
    folder = prepared(root)
    with (root / "said.txt").open("wb") as said:
        began = time.perf_counter()
        worker = subprocess.Popen(
            [sys.executable, "-m", "orchestrator.worker", str(folder.path), "--attempt", "1"],
            env=ENVIRONMENT,
            stderr=said,
        )
        while not (folder.metrics.is_file() and folder.metrics.stat().st_size):
            if worker.poll() is not None and not folder.metrics.is_file():
                raise SystemExit((root / "said.txt").read_text())
            if time.perf_counter() - began > PATIENCE_SECONDS:
                worker.kill()
                raise SystemExit(f"no step after {PATIENCE_SECONDS} s")
            time.sleep(0.005)
        taken = time.perf_counter() - began
        if worker.wait() != 0:
            raise SystemExit((root / "said.txt").read_text())
    return taken


def import_torch() -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import torch"], env=ENVIRONMENT, check=True)
    return time.perf_counter() - began


def main() -> None:
    bare: list[float] = []
    whole: list[float] = []
    with tempfile.TemporaryDirectory() as name:
        write_text(Path(name))
        for number in range(PAIRS + 1):
            root = Path(name) / f"attempt {number}"
            root.mkdir()
            (root / "text").symlink_to(Path(name) / "text")
            pair = import_torch(), to_first_step(root)
            if number:  # the first pair warms the file cache
                bare.append(pair[0])
                whole.append(pair[1])
    beyond = statistics.median(w - b for w, b in zip(whole, bare, strict=True))
    print(f"import torch: {statistics.median(bare):.2f} s")
    print(f"worker to its first step: {statistics.median(whole):.2f} s")
    verdict = "met" if beyond <= GOAL_SECONDS else "missed"
    print(f"beyond torch: {beyond:.2f} s, goal at most {GOAL_SECONDS} s: {verdict}")


if __name__ == "__main__":
    main()
