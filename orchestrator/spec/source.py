"""Data by name and version. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSource:
    """A data set by name and version, such as shapeworld/text at 3f2a90c1."""

    name: str
    """Collection and part, separated by a slash."""
    version: str
    """Names the content: another version is other data."""

    @property
    def collection(self) -> str:
        """The part of the name before the first slash."""
        return self.name.partition("/")[0]

    @property
    def part(self) -> str:
        """The part of the name after the first slash; empty for a collection of one part."""
        return self.name.partition("/")[2]
