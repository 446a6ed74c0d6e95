"""A held-out loss is a mean over tokens, with the error of a ratio over sequences."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from models.architecture.build import build_model
from models.data.batch import IGNORE, Batch
from models.training.validation import held_out_loss
from orchestrator.spec.execution import Execution
from orchestrator.spec.model import ModelConfig, Norm

MODEL = build_model(
    ModelConfig(width=16, depth=1, heads=2, vocab_size=20, seq_len=4, norm=Norm.RMS, qk_norm=False),
    None,
    seed=0,
).eval()
IDS = np.array([[4, 5, 6, 7], [8, 9, 10, 11], [12, 13, 14, 15]])
TARGETS = np.array([[5, 6, 7, 0], [9, IGNORE, IGNORE, IGNORE], [IGNORE, 14, 15, IGNORE]])


def batch(rows: slice) -> Batch:
    documents = np.zeros((3, 4), dtype=np.int32)
    return Batch(IDS[rows], TARGETS[rows], documents[rows], np.empty(0, dtype=np.int64))


def per_sequence() -> tuple[list[float], list[int]]:
    scores = MODEL(torch.from_numpy(IDS))
    sums = [
        F.cross_entropy(row, torch.from_numpy(target), ignore_index=IGNORE, reduction="sum").item()
        for row, target in zip(scores, TARGETS, strict=True)
    ]
    return sums, [4, 1, 2]


@pytest.mark.parametrize("cut", [3, 1, 2])
def test_the_loss_is_a_mean_over_tokens_however_sequences_are_batched(cut: int) -> None:
    batches = [batch(slice(0, cut)), batch(slice(cut, 3))] if cut < 3 else [batch(slice(0, 3))]
    found = held_out_loss("val_text_loss", MODEL, batches, None, Execution())
    sums, counts = per_sequence()
    mean = sum(sums) / 7
    assert found.value == pytest.approx(mean, abs=1e-6)
    assert (found.suite, found.benchmark, found.n) == ("loss", "val_text_loss", 7)
    residuals = [loss - mean * count for loss, count in zip(sums, counts, strict=True)]
    spread = math.sqrt(3 / 2 * sum(r**2 for r in residuals)) / 7
    assert found.stderr == pytest.approx(spread, abs=1e-6)


def test_one_sequence_has_no_standard_error() -> None:
    found = held_out_loss("val_text_loss", MODEL, [batch(slice(0, 1))], None, Execution())
    assert found.n == 4
    assert found.stderr is None
