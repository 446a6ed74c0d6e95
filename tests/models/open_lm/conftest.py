"""A trunk of a tiny model, and OpenLM's trainer: a stand-in, or the real one where it is given.

`SWEEP_OPEN_LM=<folders for PYTHONPATH> pytest tests/models/open_lm` runs against the real one.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.data.shards import write_token_shards
from orchestrator.spec.model import ModelConfig, Norm
from orchestrator.spec.optimizer import OptimizerConfig
from orchestrator.spec.run import TextPretrain
from orchestrator.spec.schedule import warmup_cosine
from orchestrator.spec.source import DataSource

STANDIN = Path(__file__).parent / "standin"
REAL = os.environ.get("SWEEP_OPEN_LM")
"""Where the real trainer and what it imports lie."""

T, VOCABULARY = 16, 32
SEQUENCES_A_BATCH, SEQUENCES_A_SHARD, SHARDS = 4, 8, 6
BATCH = SEQUENCES_A_BATCH * T
STEPS = SHARDS * SEQUENCES_A_SHARD // SEQUENCES_A_BATCH
FUNCTION = "models.open_lm.trunk:text_pretrain"

MODEL = ModelConfig(
    width=16,
    depth=2,
    heads=2,
    vocab_size=VOCABULARY,
    seq_len=T,
    norm=Norm.GAIN_ONLY_LP,
    qk_norm=True,
)


def segment(end: int) -> TextPretrain:
    """The trunk up to a step."""
    return TextPretrain(
        model=MODEL,
        text=DataSource(name="words/text", version="1"),
        val_text=DataSource(name="words/text", version="1"),
        end_tokens=end * BATCH,
        batch_tokens=BATCH,
        schedule=warmup_cosine(peak=1e-2, final=1e-4, warmup=2 * BATCH, length=STEPS * BATCH),
        optimizer=OptimizerConfig(),
        seed=3,
    )


@pytest.fixture
def contexts(
    stage_context: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Any]:
    """Make contexts whose text is six shards of eight rows that count upwards."""
    rng = np.random.default_rng(0)
    rows = [
        ((np.arange(T + 1) + rng.integers(VOCABULARY)) % VOCABULARY).astype(np.int64)
        for _ in range(SHARDS * SEQUENCES_A_SHARD)
    ]
    root = tmp_path / "text of mine"
    write_token_shards(root / "words-1" / "text", rows, SEQUENCES_A_SHARD)
    paths = REAL or str(STANDIN)
    for path in paths.split(os.pathsep):
        monkeypatch.syspath_prepend(path)
    project = Path(__file__).parents[3]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([paths, str(project)]))
    monkeypatch.setenv("SLURM_PROCID", "7")  # OpenLM would wait for the others

    def made(*arguments: Any, **options: Any) -> Any:
        context = stage_context(*arguments, **options)
        context.data_root = root
        return context

    return made
