"""Which image stands with a question."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.evaluation.shown import shown_images
from orchestrator.errors import DataError
from orchestrator.spec.suite import Images

NAMES = ["c.png", "a.png", "b.png", "a.png"]


def test_given_images_stay_and_blind_ones_vanish() -> None:
    given_images = shown_images(NAMES, Images.GIVEN, seed=0, benchmark="x")
    assert given_images == {name: name for name in NAMES}
    blind = shown_images(NAMES, Images.BLIND, seed=0, benchmark="x")
    assert blind == dict.fromkeys(NAMES)


@given(n=st.integers(2, 40), seed=st.integers(0, 2**31), benchmark=st.text(max_size=5))
def test_a_permutation_moves_every_image(n: int, seed: int, benchmark: str) -> None:
    names = [str(number) for number in range(n)]
    shown = shown_images(names, Images.PERMUTED, seed=seed, benchmark=benchmark)
    assert set(shown.values()) == set(names)
    assert all(image != other for image, other in shown.items())
    assert shown == shown_images(names[::-1], Images.PERMUTED, seed=seed, benchmark=benchmark)


def test_a_permutation_follows_the_seed_and_the_benchmark() -> None:
    names = [str(number) for number in range(20)]
    shown = [
        shown_images(names, Images.PERMUTED, seed=seed, benchmark=benchmark)
        for seed, benchmark in [(0, "x"), (1, "x"), (0, "y")]
    ]
    assert shown[0] != shown[1]
    assert shown[0] != shown[2]


def test_a_single_image_cannot_be_permuted() -> None:
    with pytest.raises(DataError):
        shown_images(["a.png"], Images.PERMUTED, seed=0, benchmark="x")
