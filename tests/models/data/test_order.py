"""One global order: the same sequences on any number of processes and after any restarts."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.data.batch import IGNORE, Batch
from models.data.instructions import InstructionData
from models.data.mixture import Kind
from models.data.pretraining import PretrainingData
from models.data.tokenizer import IMAGE
from models.training.inputs import split

T, P = 64, 9
STEPS, SEQUENCES = 12, 24
"""Of the whole run, and of each of its steps."""

RANKS = (1, 2, 3, 4, 8)


@dataclass(frozen=True)
class Attempt:
    """A stretch of a run between two restarts."""

    steps: int
    ranks: int
    accumulation: int


attempts = st.lists(
    st.builds(Attempt, st.integers(1, 5), st.sampled_from(RANKS), st.integers(1, 3)),
    min_size=1,
    max_size=5,
)


def opened(world: Path, image_ratio: float) -> PretrainingData:
    return PretrainingData(
        world / "text",
        world / "captions",
        world / "instructions",
        seq_len=T,
        image_tokens=P,
        image_ratio=image_ratio,
        instruction_ratio=0.25,
        seed=3,
    )


def rows(batch: Batch) -> list[tuple[bytes, ...]]:
    parts = zip(batch.ids, batch.targets, batch.documents, strict=True)
    return [tuple(part.tobytes() for part in row) for row in parts]


def of_ranks(sources: Sequence[PretrainingData], step: int, accumulation: int) -> list[Batch]:
    """Return the micro-batches of all processes in the order of the batch, each from its own."""
    found: dict[int, Batch] = {}
    for rank, source in enumerate(sources):
        pieces = split(source.batch(step * SEQUENCES, SEQUENCES), accumulation * len(sources))
        found |= {number: pieces[number] for number in range(rank, len(pieces), len(sources))}
    return [found[number] for number in sorted(found)]


@settings(max_examples=12, deadline=None)
@given(attempts, st.sampled_from([0.0, 0.1, 0.5, 1.0]))
def test_sequences_and_images_do_not_depend_on_ranks_accumulation_or_restarts(
    world: Path, history: list[Attempt], image_ratio: float
) -> None:
    alone = opened(world, image_ratio)
    start = 0
    for attempt in history:
        sources = [opened(world, image_ratio) for _ in range(attempt.ranks)]
        for step in range(start, min(start + attempt.steps, STEPS)):
            pieces = of_ranks(sources, step, attempt.accumulation)
            expected = alone.batch(step * SEQUENCES, SEQUENCES)
            assert [row for piece in pieces for row in rows(piece)] == rows(expected)
            images = np.concatenate([piece.images for piece in pieces])
            assert images.tolist() == expected.images.tolist()
        start += attempt.steps


@pytest.mark.parametrize("ranks", RANKS)
def test_rows_of_fine_tuning_do_not_depend_on_ranks(world: Path, ranks: int) -> None:
    def tuning() -> InstructionData:
        return InstructionData(world / "instructions", seq_len=T, image_tokens=P, seed=1)

    whole = tuning().batch(7, 16)
    found: dict[int, Batch] = {}
    for rank in range(ranks):
        pieces = split(tuning().batch(7, 16), ranks)
        found[rank] = pieces[rank]
    together = [row for rank in range(ranks) for row in rows(found[rank])]
    assert together == rows(whole)
    images = np.concatenate([found[rank].images for rank in range(ranks)])
    assert images.tolist() == whole.images.tolist()


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 999).map(lambda share: share / 1000),
    st.integers(1, 512),
    st.integers(1, 4000),
)
def test_the_share_of_images_is_exact_to_one_sequence_at_every_checkpoint(
    world: Path, image_ratio: float, sequences: int, steps: int
) -> None:
    source = opened(world, image_ratio)
    exact = Fraction(str(image_ratio))
    for step in {1, steps // 3, steps // 2, steps - 1, steps} - {0}:
        reached = source.mixture.before(step * sequences)
        images = reached[Kind.CAPTIONS] + reached[Kind.INSTRUCTIONS]
        assert abs(images - exact * step * sequences) <= 1
        assert abs(reached[Kind.INSTRUCTIONS] - exact * step * sequences / 4) <= 1


@pytest.mark.parametrize("image_ratio", [0.001, 0.01, 0.1, 0.333, 0.5, 0.9, 0.999])
def test_counts_say_the_share_that_the_batches_have(world: Path, image_ratio: float) -> None:
    source = opened(world, image_ratio)
    shown = 0
    for step in range(1, 31):
        batch = source.batch((step - 1) * SEQUENCES, SEQUENCES)
        is_text = (batch.ids != IMAGE).all(axis=1) & (batch.targets != IGNORE).all(axis=1)
        shown += SEQUENCES - int(is_text.sum())
        counts = source.counts(0, step * SEQUENCES)
        assert counts.image_sequences == shown
        assert counts.text_sequences + shown == step * SEQUENCES
        assert abs(shown - Fraction(str(image_ratio)) * step * SEQUENCES) <= 1
