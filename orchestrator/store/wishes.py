"""What a person wants of a run: `wish.json`, written by the command line, read by launches."""

from dataclasses import dataclass
from datetime import datetime

from orchestrator.plan.observed import Wish
from orchestrator.store.layout import RunFolder
from orchestrator.store.versioned import read_record, write_record


@dataclass(frozen=True, slots=True, kw_only=True)
class Wished:
    """A wish and its time."""

    wish: Wish
    """What is wanted."""
    time: str
    """Since when, ISO 8601 in UTC: ends of attempts before it are forgiven by `go`."""

    @property
    def since(self) -> datetime:
        """The time."""
        return datetime.fromisoformat(self.time)


def write_wish(folder: RunFolder, wished: Wished) -> None:
    """Write `wish.json`; an earlier wish is gone then."""
    write_record(folder.wish, wished)


def read_wish(folder: RunFolder) -> Wished | None:
    """Read `wish.json`; None if nobody ever wished anything.

    Raises:
        RecordError: if it is damaged.
    """
    return read_record(Wished, folder.wish) if folder.wish.exists() else None


def remove_wish(folder: RunFolder) -> None:
    """Forget what was wished."""
    folder.wish.unlink(missing_ok=True)
