"""Held-out sequences: all of them, in order, or a fixed number of the first."""

from pathlib import Path

import numpy as np
import pytest

from models.data.batch import IGNORE
from models.data.captions import open_captions
from models.data.shards import open_token_shards
from models.data.validation import caption_batches, text_batches
from orchestrator.errors import ConfigError

T, P = 64, 9


@pytest.mark.parametrize(("limit", "sizes"), [(None, [3, 3, 1]), (5, [3, 2]), (3, [3]), (0, [])])
def test_text_comes_in_the_order_of_the_shards(
    world: Path, limit: int | None, sizes: list[int]
) -> None:
    batches = list(text_batches(world / "text_val", seq_len=T, sequences=3, limit=limit))
    assert [len(batch.ids) for batch in batches] == sizes
    ids = np.concatenate([np.empty((0, T)), *(batch.ids for batch in batches)])
    assert (ids == open_token_shards(world / "text_val", T)[: sum(sizes), :-1]).all()


@pytest.mark.parametrize("sequences", [1, 2, 100])
def test_each_held_out_caption_is_supervised_once(world: Path, sequences: int) -> None:
    batches = list(
        caption_batches(world / "captions_val", seq_len=T, image_tokens=P, sequences=sequences)
    )
    images = np.concatenate([batch.images for batch in batches])
    targets = np.concatenate([batch.targets[batch.targets != IGNORE] for batch in batches])
    assert images.tolist() == list(range(10))
    assert targets.tolist() == open_captions(world / "captions_val").ids.tolist()


def test_an_image_without_room_is_refused(world: Path) -> None:
    with pytest.raises(ConfigError):
        caption_batches(world / "captions_val", seq_len=P, image_tokens=P, sequences=1)
