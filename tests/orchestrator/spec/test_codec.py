"""Plain values become typed ones, or are refused with their place."""

from dataclasses import dataclass
from enum import StrEnum

import pytest

from orchestrator.errors import ConfigError
from orchestrator.spec.checks import check_share
from orchestrator.spec.codec import decode, encode


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True, slots=True, kw_only=True)
class Inner:
    ratio: float

    def __post_init__(self) -> None:
        check_share("ratio", self.ratio)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outer:
    count: int
    colour: Colour
    inner: Inner
    tags: tuple[str, ...] = ()
    note: str | None = None
    flag: bool = False


GOOD: dict[str, object] = {"count": 3, "colour": "red", "inner": {"ratio": 1}, "tags": ["a", "b"]}


def test_a_value_survives_the_round_trip() -> None:
    value = decode(Outer, GOOD)
    assert value == Outer(count=3, colour=Colour.RED, inner=Inner(ratio=1.0), tags=("a", "b"))
    assert decode(Outer, encode(value)) == value


def test_a_whole_number_in_a_float_field_is_written_as_a_float() -> None:
    assert str(encode(Inner(ratio=1))) == "{'ratio': 1.0}"


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"count": "many"}, "count"),
        ({"count": 1.5}, "count"),
        ({"count": 1e9}, "count"),
        ({"count": True}, "count"),
        ({"count": None}, "count"),
        ({"colour": "green"}, "colour"),
        ({"inner": 3}, "inner"),
        ({"inner": {"ratio": 1.4}}, "inner.ratio"),
        ({"inner": {"ratio": "80"}}, "inner.ratio"),
        ({"inner": {"ratio": 0.5, "raito": 1}}, "inner.raito"),
        ({"inner": {}}, "inner.ratio"),
        ({"tags": "a"}, "tags"),
        ({"tags": ["a", 2]}, "tags[1]"),
        ({"flag": "yes"}, "flag"),
        ({"unknown": 1}, "unknown"),
    ],
)
def test_bad_values_are_refused_with_their_place(change: dict[str, object], where: str) -> None:
    with pytest.raises(ConfigError) as caught:
        decode(Outer, {**GOOD, **change}, "stage")
    assert caught.value.where == f"stage.{where}"
    assert caught.value.mend


def test_people_may_write_units() -> None:
    value = decode(Outer, {**GOOD, "count": "2k", "inner": {"ratio": "80%"}})
    assert value.count == 2_000
    assert value.inner.ratio == 0.8


def test_what_has_no_canonical_form_is_not_guessed() -> None:
    with pytest.raises(TypeError):
        encode(object())
