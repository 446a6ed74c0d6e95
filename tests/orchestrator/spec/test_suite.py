"""What makes no suite is refused."""

import pytest

from orchestrator.errors import ConfigError
from orchestrator.spec.source import DataSource
from orchestrator.spec.suite import SuiteConfig, SuiteKind

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
