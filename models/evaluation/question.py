"""One question of a benchmark, and the reading of rows in index files. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from models.evaluation.problem import Problem
from orchestrator.errors import DataError


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A row of an index file, parsed by its family."""

    question_id: str
    """Unique in its benchmark."""
    image: str
    """Path of the image, as the index file writes it."""
    text: str
    """What is asked, in the family's words."""
    answer: str
    """The right answer, written as a model should write it."""
    group: str = ""
    """Split or type that scores are also given for; empty if the family has none."""
    votes: tuple[str, ...] = ()
    """The annotators' answers; empty in families with one right answer."""
    faults: tuple[Problem, ...] = ()
    """What is wrong with the row itself; each is counted."""


@dataclass(frozen=True, slots=True)
class Row:
    """One JSON object of an index file, with typed access to its values."""

    values: Mapping[str, object]
    where: str
    """File and id of the object, for messages."""

    def text(self, key: str) -> str:
        """Return a text; a number is taken as its text.

        Raises:
            DataError: if it is missing or something else.
        """
        value = self.values.get(key)
        if isinstance(value, str):
            return value
        if isinstance(value, int | float) and not isinstance(value, bool):
            return str(value)
        raise self.refuse(key, "a text")

    def optional_text(self, key: str) -> str:
        """Return a text, or an empty one if the key is absent.

        Raises:
            DataError: if it is there and something else.
        """
        return self.text(key) if key in self.values else ""

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of texts.

        Raises:
            DataError: if it is missing or something else.
        """
        value = self.values.get(key)
        if not isinstance(value, list):
            raise self.refuse(key, "a list of texts")
        items = cast(list[object], value)
        if not all(isinstance(item, str) for item in items):
            raise self.refuse(key, "a list of texts")
        return tuple(str(item) for item in items)

    def whole(self, key: str) -> int:
        """Return a whole number of at least 0, also where it is written as text.

        Raises:
            DataError: if it is missing or something else.
        """
        value = self.text(key)
        if not value.isdecimal():
            raise self.refuse(key, "a whole number of at least 0")
        return int(value)

    def refuse(self, key: str, expected: str) -> DataError:
        """Return the error for a value that is not what the format declares."""
        given = repr(self.values[key]) if key in self.values else "missing"
        return DataError(
            f"{key} is {given}, not {expected}", self.where, f"write {expected} in {key}"
        )
