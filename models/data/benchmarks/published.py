"""What a published data set holds, and how its questions become rows of an index file."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from models.data.benchmarks.download import Download
from models.evaluation.rule import Rule


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One question, as it was found."""

    key: str
    """Its id in the index file. Unique."""
    row: Mapping[str, object]
    """Its row in the index file, without img_path."""
    picture: Path
    """Its image, where it was downloaded to."""
    place: str
    """Path that the image gets inside the part, with slashes."""
    where: str
    """File and place in it, for messages."""


def _always(_: Mapping[str, object]) -> bool:
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A way in which the questions are asked and scored: an entry of `benchmarks.json`."""

    suffix: str = ""
    """Follows the data set's name."""
    family: str
    """As `benchmarks.json` names it."""
    rule: Rule = Rule.VLM_EVALUATION
    """Whose script scores the answers."""
    fits: Callable[[Mapping[str, object]], bool] = _always
    """Whether a row can be asked in this way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A data set as it is published."""

    name: str
    """As vlm-evaluation names it."""
    ways: tuple[Way, ...]
    """How it is asked; at least one."""
    questions: tuple[int, ...]
    """Sizes it was published in; at least one."""
    slim: tuple[int, ...] = ()
    """Sizes of vlm-evaluation's smaller index files."""
    images: int | None = None
    """Different images; None if the number is not known."""
    files: tuple[str, ...]
    """What has to lie in the folder that is read, for people."""
    source: str
    """Where it is downloaded from, for people."""
    read: Callable[[Download], Iterator[Found]]
    """Reads its questions, in the order in which they are published."""
