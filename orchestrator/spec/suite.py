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
    """Which harness runs a suite, and which model of a chain it asks."""

    TEXT = "text"
    """The chain's last model."""
    VISION = "vision"
    """The chain's last model, if it sees images."""
    HELD_OUT = "held_out"
    """What image-text pre-training left, whether or not it is fine-tuned later."""


class HeldOutBenchmark(StrEnum):
    """What can be measured on held-out data, as indicators before fine-tuning."""

    CAPTION_LOSS = "caption_loss"
    """Nats per token of captions, given the image that is shown."""
    TEXT_LOSS = "text_loss"
    """Nats per token of text."""
    MODALITY_INTEGRATION_RATE = "modality_integration_rate"
    """How far vision tokens lie from text tokens inside the model (arXiv:2410.07167)."""


INTEGRATION_CAPTIONS = 100
"""Captioned images that a Modality Integration Rate is measured on where a suite names no limit:
the paper's number (its mir.py, `eval_num`). All tokens of one layer are held at once."""


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
    """Where the benchmarks' index files or tasks lie, or the captioned images."""
    benchmarks: tuple[str, ...]
    """Names of benchmarks (vision), of the harness's tasks (text), or of what is measured
    (held_out)."""
    images: Images = Images.GIVEN
    """Which image is shown."""
    limit: int | None = None
    """Questions, captions or sequences per benchmark, chosen by a stable hash; None for all, but
    for `INTEGRATION_CAPTIONS`. At least 1."""
    text: DataSource | None = None
    """Token shards that `text_loss` is measured on; None elsewhere."""

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
        if self.kind is SuiteKind.HELD_OUT:
            self._check_held_out()
        needs_text = HeldOutBenchmark.TEXT_LOSS in self.benchmarks
        if needs_text != (self.text is not None):
            raise ConfigError(
                f"the suite {self.name} measures text_loss on no text"
                if needs_text
                else f"the suite {self.name} names a text that nothing is measured on",
                where="text",
                mend="name token shards for the benchmark text_loss of a held_out suite, and none "
                "for others",
            )

    def _check_held_out(self) -> None:
        for name in self.benchmarks:
            if name not in list(HeldOutBenchmark):
                raise ConfigError(
                    f"{name!r} cannot be measured on held-out data",
                    where="benchmarks",
                    mend=f"choose from: {', '.join(HeldOutBenchmark)}",
                )
        rate = HeldOutBenchmark.MODALITY_INTEGRATION_RATE
        if rate in self.benchmarks and self.images is Images.BLIND:
            raise ConfigError(
                f"{rate.value} compares vision tokens with text tokens, and a blind model has none",
                where="images",
                mend=f"show images, or leave {rate.value} to another suite",
            )
