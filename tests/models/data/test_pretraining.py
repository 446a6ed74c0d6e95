"""The order of pre-training sequences: exact, endless, and independent of how it is read."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.data.batch import IGNORE, Batch
from models.data.captions import open_captions
from models.data.mixture import images_before
from models.data.pretraining import Counts, PretrainingData
from models.data.shards import open_token_shards
from models.data.tokenizer import IMAGE, PADDING
from orchestrator.errors import ConfigError, DataError

T, P = 64, 9


def data(
    world: Path, ratio: float = 0.3, seed: int = 0, start: int = 0, text_seed: int | None = None
) -> PretrainingData:
    return PretrainingData(
        world / "text",
        world / "captions",
        seq_len=T,
        image_tokens=P,
        image_ratio=ratio,
        seed=seed,
        text_seed=text_seed,
        text_start_sequences=start,
    )


def joined(batches: list[Batch]) -> tuple[bytes, ...]:
    names = ("ids", "targets", "documents", "images")
    return tuple(np.concatenate([getattr(b, name) for b in batches]).tobytes() for name in names)


@settings(max_examples=15, deadline=None)
@given(
    st.sampled_from([0.0, 0.1, 0.5, 1.0]),
    st.integers(0, 200),
    st.lists(st.integers(1, 40), min_size=1, max_size=6),
)
def test_any_cut_into_batches_gives_the_same_sequences(
    world: Path, ratio: float, first: int, sizes: list[int]
) -> None:
    whole = data(world, ratio).batch(first, sum(sizes))
    starts = first + np.cumsum([0, *sizes[:-1]])
    resumed = [data(world, ratio).batch(int(s), n) for s, n in zip(starts, sizes, strict=True)]
    assert joined(resumed) == joined([whole])


def test_reading_backwards_gives_the_same_sequences(world: Path) -> None:
    one, other = data(world), data(world)
    forwards = [one.batch(index, 1) for index in range(300)]
    backwards = [other.batch(index, 1) for index in reversed(range(300))]
    assert joined(forwards) == joined(backwards[::-1])


@pytest.mark.parametrize("ratio", [0.001, 0.25, 0.333, 0.999])
def test_image_sequences_are_where_the_mixture_says(world: Path, ratio: float) -> None:
    batch = data(world, ratio).batch(0, 1000)
    has_images = (batch.ids == IMAGE).any(axis=1)
    counts = np.concatenate([[0], np.cumsum(has_images)])
    assert counts.tolist() == [images_before(index, ratio) for index in range(1001)]


def test_every_pass_reads_each_text_sequence_once_in_a_new_order(world: Path) -> None:
    shards = open_token_shards(world / "text", T)
    passes = [data(world, 0.0).batch(60 * epoch, 60).ids for epoch in range(3)]
    for ids in passes:
        assert Counter(map(bytes, ids)) == Counter(bytes(s[:-1].astype(np.int64)) for s in shards)
    assert len({ids.tobytes() for ids in passes}) == 3


def test_every_pass_reads_each_image_once_in_a_new_order(world: Path) -> None:
    images = data(world, 1.0).batch(0, 200).images.tolist()
    passes = [images[70 * epoch : 70 * (epoch + 1)] for epoch in range(3)]
    assert all(sorted(one) == list(range(70)) for one in passes)
    assert len({tuple(one) for one in passes}) == 3


def test_text_rows_predict_the_next_token_everywhere_in_one_document(world: Path) -> None:
    batch = data(world, 0.0).batch(0, 5)
    assert (batch.ids[:, 1:] == batch.targets[:, :-1]).all()
    assert (batch.targets != IGNORE).all()
    assert (batch.documents == 0).all()
    assert len(batch.images) == 0


def test_image_rows_hold_each_image_with_its_own_caption(world: Path) -> None:
    captions = open_captions(world / "captions")
    batch = data(world, 1.0).batch(0, 20)
    images = iter(batch.images)
    for ids, targets, documents in zip(batch.ids, batch.targets, batch.documents, strict=True):
        for document in range(documents.max() + 1):
            at = documents == document
            caption = captions.tokens(int(next(images))).tolist()
            assert ids[at][:P].tolist() == [IMAGE] * P
            assert ids[at][P:].tolist() in (caption, caption[:-1])  # a full row drops the last id
            assert targets[at][targets[at] != IGNORE].tolist() == caption
            assert targets[at][P - 1] == caption[0]
        assert (ids[documents < 0] == PADDING).all()
        assert (targets[documents < 0] == IGNORE).all()
    assert next(images, None) is None


def test_a_branch_of_another_seed_reads_on_in_its_trunks_order(world: Path) -> None:
    trunk = data(world, 0.0, seed=0).batch(0, 60)
    branch = data(world, 0.0, seed=1, start=40, text_seed=0).batch(0, 20)
    assert branch.ids.tobytes() == trunk.ids[40:].tobytes()
    captions = [data(world, 1.0, seed=1, text_seed=seed).batch(0, 20) for seed in (None, 0)]
    assert joined([captions[0]]) == joined([captions[1]])  # the captions keep the branch's own seed


def test_a_branch_reads_text_on_from_where_its_trunk_stood(world: Path) -> None:
    trunk = PretrainingData(world / "text", None, seq_len=T, seed=5).batch(0, 200)
    branch = data(world, 0.5, seed=5, start=100).batch(0, 100)
    is_text = ~(branch.ids == IMAGE).any(axis=1)
    assert (branch.ids[is_text] == trunk.ids[100:150]).all()


def test_another_seed_gives_another_order(world: Path) -> None:
    for ratio in (0.0, 1.0):
        one, other = (data(world, ratio, seed).batch(0, 20) for seed in (0, 1))
        assert (one.ids != other.ids).any() or (one.images != other.images).any()


def test_another_version_of_the_data_gives_another_order(world: Path, tmp_path: Path) -> None:
    (tmp_path / "shapeworld-4567").symlink_to(world)
    one, other = (
        data(folder, 0.0).batch(0, 20) for folder in (world, tmp_path / "shapeworld-4567")
    )
    assert (one.ids != other.ids).any()


@pytest.mark.parametrize("first", [0, 33, 150])
def test_counts_are_those_of_the_batches(world: Path, first: int) -> None:
    source = data(world, 0.3, start=10)
    batch = source.batch(first, 90)
    is_image = (batch.ids == IMAGE).any(axis=1)
    everything = source.batch(0, first + 90)
    texts = int((~(everything.ids == IMAGE).any(axis=1)).sum())
    assert source.counts(first, 90) == Counts(
        text_sequences=int((~is_image).sum()),
        image_sequences=int(is_image.sum()),
        images=len(batch.images),
        text_epochs=(10 + texts) / 60,
        caption_epochs=len(everything.images) / 70,
    )


def test_sources_that_a_ratio_does_not_use_need_not_be_there(world: Path) -> None:
    missing = world / "missing"
    assert PretrainingData(world / "text", missing, seq_len=T, seed=0).counts(0, 9).images == 0
    alone = PretrainingData(
        None, world / "captions", seq_len=T, image_tokens=P, image_ratio=1.0, seed=0
    )
    assert alone.counts(0, 9).text_sequences == 0


def test_sources_that_a_ratio_uses_must_be_there(world: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        PretrainingData(None, world / "captions", seq_len=T, image_tokens=P, seed=0)
    assert caught.value.where == "text"
    with pytest.raises(ConfigError) as caught:
        PretrainingData(world / "text", None, seq_len=T, image_tokens=P, image_ratio=0.1, seed=0)
    assert caught.value.where == "captions"
    with pytest.raises(DataError):
        PretrainingData(world / "missing", None, seq_len=T, seed=0)


@pytest.mark.parametrize("image_tokens", [0, T, T + 1])
def test_images_that_leave_no_room_for_text_are_refused(world: Path, image_tokens: int) -> None:
    with pytest.raises(ConfigError) as caught:
        PretrainingData(
            None,
            world / "captions",
            seq_len=T,
            image_tokens=image_tokens,
            image_ratio=1.0,
            seed=0,
        )
    assert caught.value.where == "model.seq_len"
