"""Suites: which benchmarks are asked of a model, and how. Pure."""

from dataclasses import dataclass
from enum import StrEnum

from orchestrator.errors import ConfigError
from orchestrator.spec.checks import check_at_least
from orchestrator.spec.source import DataSource


class Images(StrEnum):
    """Which image is shown with a question."""

    GIVEN = "given"
    """The question's own."""
    BLIND = "blind"
    """None."""
    PERMUTED = "permuted"
    """Another question's, by a fixed permutation of the benchmark's images."""


class SuiteKind(StrEnum):
    """Which harness runs a suite."""

    TEXT = "text"
    VISION = "vision"


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteConfig:
    """A fixed list of benchmarks, asked in one way.

    Raises:
        ConfigError: if a value lies outside the range stated below.
    """

    name: str
    """Unique in a study."""
    kind: SuiteKind
    """Which harness runs it."""
    data: DataSource
    """Where the benchmarks' index files or tasks lie."""
    benchmarks: tuple[str, ...]
    """Names of benchmarks (vision) or of the harness's tasks (text)."""
    images: Images = Images.GIVEN
    """Which image is shown."""
    limit: int | None = None
    """Questions per benchmark, chosen by a stable hash; None for all. At least 1."""

    def __post_init__(self) -> None:
        if not self.benchmarks:
            raise ConfigError("a suite has no benchmark", "benchmarks", "name at least one")
        for place, name in enumerate(self.benchmarks):
            if name in self.benchmarks[:place]:
                raise ConfigError(
                    f"the benchmark {name!r} is there twice",
                    where="benchmarks",
                    mend="name each benchmark once: its questions would count twice",
                )
        if self.limit is not None:
            check_at_least("limit", self.limit, 1)
