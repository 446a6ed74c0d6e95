"""Pre-training on some of the captions, and on instructions among the images."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.data.batch import IGNORE, Batch
from models.data.instructions import InstructionData, Instructions
from models.data.kept import Kept
from models.data.mixture import Kind, Mixture
from models.data.pretraining import Counts, PretrainingData
from models.data.tokenizer import END_OF_TEXT, IMAGE
from orchestrator.errors import ConfigError, DataError

T, P, CAPTIONS, ROWS = 64, 9, 70, 40
LONG = 200
"""A length of sequence that takes several rows of instructions."""
SOME = Kept(numbers=np.arange(3, CAPTIONS, 5), of=CAPTIONS)


def data(
    world: Path,
    *,
    image_ratio: float = 0.5,
    instruction_ratio: float = 0.4,
    kept: Kept | None = None,
    seed: int = 0,
    seq_len: int = T,
) -> PretrainingData:
    """Open the world; only the text is bound to its length of sequence."""
    return PretrainingData(
        world / "text" if image_ratio < 1 else None,
        world / "captions",
        world / "instructions",
        seq_len=seq_len,
        image_tokens=P,
        image_ratio=image_ratio,
        instruction_ratio=instruction_ratio,
        seed=seed,
        kept=kept,
    )


def joined(batches: list[Batch]) -> tuple[bytes, ...]:
    names = ("ids", "targets", "documents", "images")
    return tuple(np.concatenate([getattr(b, name) for b in batches]).tobytes() for name in names)


def documents(batch: Batch) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Return inputs and supervised targets of each document, row by row."""
    found = list[tuple[tuple[int, ...], tuple[int, ...]]]()
    for ids, targets, document in zip(batch.ids, batch.targets, batch.documents, strict=True):
        for number in range(document.max() + 1):
            own = document == number
            supervised = targets[own][targets[own] != IGNORE]
            found.append((tuple(ids[own].tolist()), tuple(supervised.tolist())))
    return found


def test_only_kept_captions_are_read_and_each_once_in_a_pass(world: Path) -> None:
    source = data(world, image_ratio=1.0, instruction_ratio=0.0, kept=SOME)
    images = source.batch(0, 30).images.tolist()
    n = len(SOME.numbers)
    passes = [images[n * epoch : n * (epoch + 1)] for epoch in range(3)]
    assert all(sorted(one) == SOME.numbers.tolist() for one in passes)
    assert len({tuple(one) for one in passes}) == 3


def test_another_choice_of_captions_has_another_order(world: Path) -> None:
    def first(kept: Kept | None) -> list[int]:
        source = data(world, image_ratio=1.0, instruction_ratio=0.0, kept=kept)
        return source.batch(0, 40).images.tolist()

    everything = Kept(numbers=np.arange(CAPTIONS), of=CAPTIONS)
    assert first(SOME) == first(Kept(numbers=SOME.numbers.copy(), of=CAPTIONS))
    fewer = first(Kept(numbers=SOME.numbers[:-1], of=CAPTIONS))
    assert [image for image in first(SOME) if image in fewer][:13] != fewer[:13]
    assert first(everything) != first(None)


def test_passes_are_counted_over_the_kept_captions(world: Path) -> None:
    source = data(world, image_ratio=1.0, instruction_ratio=0.0, kept=SOME)
    batch = source.batch(0, 25)
    assert source.counts(0, 25).caption_epochs == len(batch.images) / len(SOME.numbers)


def test_a_choice_among_other_captions_is_refused(world: Path) -> None:
    other = Kept(numbers=SOME.numbers, of=CAPTIONS + 1)
    with pytest.raises(DataError, match="there are 70 captions, but the filter has scored 71"):
        data(world, kept=other)


@settings(max_examples=15, deadline=None)
@given(
    st.sampled_from([0.1, 0.5, 1.0]),
    st.sampled_from([0.2, 0.5, 1.0]),
    st.integers(0, 200),
    st.lists(st.integers(1, 40), min_size=1, max_size=6),
)
def test_any_cut_into_batches_gives_the_same_mixed_sequences(
    world: Path, image_ratio: float, instruction_ratio: float, first: int, sizes: list[int]
) -> None:
    def batch(start: int, n: int) -> Batch:
        source = data(
            world, image_ratio=image_ratio, instruction_ratio=instruction_ratio, kept=SOME
        )
        return source.batch(start, n)

    starts = (first + np.cumsum([0, *sizes[:-1]])).tolist()
    cut = [batch(start, n) for start, n in zip(starts, sizes, strict=True)]
    assert joined(cut) == joined([batch(first, sum(sizes))])


@pytest.mark.parametrize("instruction_ratio", [0.001, 0.25, 0.999])
def test_sequences_of_instructions_are_where_the_mixture_says(
    world: Path, instruction_ratio: float
) -> None:
    source = data(world, image_ratio=0.6, instruction_ratio=instruction_ratio)
    mixture = Mixture(image_ratio=0.6, instruction_ratio=instruction_ratio)
    for index in range(400):
        batch = source.batch(index, 1)
        kind, _ = mixture.at(index)
        assert (kind is Kind.TEXT) == (not (batch.ids == IMAGE).any() and batch.supervised == T)
        assert (kind is Kind.CAPTIONS) == (len(batch.images) > 0 and batch.images.min() < CAPTIONS)


def test_a_packed_row_of_instructions_is_that_of_fine_tuning(world: Path) -> None:
    source = data(world, image_ratio=1.0, instruction_ratio=1.0, seq_len=LONG)
    tuning = InstructionData(world / "instructions", seq_len=LONG, image_tokens=P, seed=0)
    alone = Counter[tuple[tuple[int, ...], tuple[int, ...]]]()
    for index in range(ROWS):
        ((ids, targets),) = documents(tuning.batch(index, 1))
        alone[(*ids, targets[-1]), targets] += 1
    assert all(targets[-1] == END_OF_TEXT for _, targets in alone)  # each row is whole
    packed = Counter[tuple[tuple[int, ...], tuple[int, ...]]]()
    sequences = 0
    while sum(packed.values()) < ROWS:
        for ids, targets in documents(source.batch(sequences, 1)):
            whole = ids if ids[-1] == END_OF_TEXT else (*ids, END_OF_TEXT)  # of a full sequence
            packed[whole, targets] += 1
        sequences += 1
    assert packed == alone
    assert sequences < ROWS / 2


def test_images_of_instructions_are_counted_on_from_those_of_captions(world: Path) -> None:
    rows = Instructions(world / "instructions", seq_len=T, image_tokens=P)
    mixed = data(world, image_ratio=1.0, instruction_ratio=0.5)
    assert mixed.caption_images == CAPTIONS
    indices = [index for index in range(80) if mixed.mixture.at(index)[0] is Kind.INSTRUCTIONS]
    own = [image for index in indices for image in mixed.batch(index, 1).images]
    assert sorted(set(own)) == [CAPTIONS + image for image in range(int(rows.has_image.sum()))]
    alone = data(world, image_ratio=1.0, instruction_ratio=1.0)
    assert alone.caption_images == 0
    assert set(alone.batch(0, 40).images) == set(range(int(rows.has_image.sum())))


def test_a_pass_reads_each_row_of_instructions_once(world: Path) -> None:
    source = data(world, image_ratio=1.0, instruction_ratio=1.0)
    sequences = 0
    while source.counts(0, sequences).instruction_epochs < 2:
        sequences += 1
    assert source.counts(0, sequences).instruction_epochs == 2
    found = Counter(ids for ids, _ in documents(source.batch(0, sequences)))
    assert sum(found.values()) == 2 * ROWS


@pytest.mark.parametrize("first", [0, 33, 150])
def test_counts_of_mixed_sequences_are_those_of_the_batches(world: Path, first: int) -> None:
    source = data(world, image_ratio=0.7, instruction_ratio=0.3, kept=SOME)
    mixture = Mixture(image_ratio=0.7, instruction_ratio=0.3)
    kinds = Counter(mixture.at(index)[0] for index in range(first, first + 90))
    everything = source.batch(0, first + 90).images
    found = source.counts(first, 90)
    rows = mixture.before(first + 90)[Kind.INSTRUCTIONS]
    alone = data(world, image_ratio=1.0, instruction_ratio=1.0)
    assert found == Counts(
        text_sequences=kinds[Kind.TEXT],
        image_sequences=kinds[Kind.CAPTIONS] + kinds[Kind.INSTRUCTIONS],
        images=len(source.batch(first, 90).images),
        text_epochs=mixture.before(first + 90)[Kind.TEXT] / 60,
        caption_epochs=int((everything < CAPTIONS).sum()) / len(SOME.numbers),
        instruction_sequences=kinds[Kind.INSTRUCTIONS],
        instruction_epochs=len(documents(alone.batch(0, rows))) / ROWS,
    )


def test_instructions_that_are_too_long_are_cut_as_in_fine_tuning(world: Path) -> None:
    long = data(world, image_ratio=1.0, instruction_ratio=1.0, seq_len=48)
    tuning = InstructionData(world / "instructions", seq_len=48, image_tokens=P, seed=0)
    assert long.truncated_rows == tuning.truncated > 0
    assert max(len(ids) for ids, _ in documents(long.batch(0, ROWS))) == 48
    assert data(world, instruction_ratio=0.0).truncated_rows == 0


def test_instructions_that_a_ratio_uses_must_be_there() -> None:
    with pytest.raises(ConfigError) as caught:
        PretrainingData(
            None,
            None,
            seq_len=T,
            image_tokens=P,
            image_ratio=1.0,
            instruction_ratio=1.0,
            seed=0,
        )
    assert caught.value.where == "instructions"


def test_instructions_that_a_ratio_does_not_use_need_not_be_there(world: Path) -> None:
    for image_ratio, instruction_ratio in ((0.0, 0.5), (0.5, 0.0)):
        source = PretrainingData(
            world / "text",
            world / "captions",
            world / "missing",
            seq_len=T,
            image_tokens=P,
            image_ratio=image_ratio,
            instruction_ratio=instruction_ratio,
            seed=0,
        )
        assert source.counts(0, 50).instruction_sequences == 0
