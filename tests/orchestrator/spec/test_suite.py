"""What makes no suite is refused."""

from dataclasses import replace

import pytest

from orchestrator.errors import ConfigError
from orchestrator.spec.source import DataSource
from orchestrator.spec.suite import Images, SuiteConfig, SuiteKind
from tests.orchestrator.spec.golden_configs import CONFIGS

DATA = DataSource(name="shapeworld/benchmarks", version="v1")


@pytest.mark.parametrize(
    ("benchmarks", "limit", "where"),
    [((), None, "benchmarks"), (("vqa", "gqa", "vqa"), None, "benchmarks"), (("vqa",), 0, "limit")],
    ids=["none", "one twice", "no question"],
)
def test_what_makes_no_suite_is_refused_with_its_key(
    benchmarks: tuple[str, ...], limit: int | None, where: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        SuiteConfig(
            name="suite", kind=SuiteKind.VISION, data=DATA, benchmarks=benchmarks, limit=limit
        )
    assert caught.value.where == where


def test_a_soup_is_not_chosen_by_what_gives_no_score() -> None:
    captions = SuiteConfig(
        name="before", kind=SuiteKind.HELD_OUT, data=DATA, benchmarks=("caption_loss",)
    )
    with pytest.raises(ConfigError) as caught:
        replace(CONFIGS["Average"], selection=captions)
    assert caught.value.where == "selection"


@pytest.mark.parametrize(
    ("benchmark", "images", "where"),
    [("vqa", Images.GIVEN, "benchmarks"), ("modality_integration_rate", Images.BLIND, "images")],
)
def test_what_cannot_be_measured_on_held_out_data_is_refused_with_its_key(
    benchmark: str, images: Images, where: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        SuiteConfig(
            name="suite",
            kind=SuiteKind.HELD_OUT,
            data=DATA,
            benchmarks=("caption_loss", benchmark),
            images=images,
        )
    assert caught.value.where == where


@pytest.mark.parametrize(
    ("kind", "benchmark", "text"),
    [
        (SuiteKind.HELD_OUT, "text_loss", None),
        (SuiteKind.HELD_OUT, "caption_loss", DATA),
        (SuiteKind.VISION, "vqa", DATA),
    ],
    ids=["no text", "a text for nothing", "a text for questions"],
)
def test_a_text_is_named_where_its_loss_is_measured_and_nowhere_else(
    kind: SuiteKind, benchmark: str, text: DataSource | None
) -> None:
    with pytest.raises(ConfigError) as caught:
        SuiteConfig(name="suite", kind=kind, data=DATA, benchmarks=(benchmark,), text=text)
    assert caught.value.where == "text"
