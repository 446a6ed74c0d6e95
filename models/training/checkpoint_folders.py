"""Folders of checkpoints, named by position: there whole or not at all, never trusted unread.

A folder is made under a name of its own and renamed when complete, while nobody can take the run
over: a process that lost its run publishes nothing.
"""

import logging
import shutil
import tempfile
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from pathlib import Path

from models.manifest import verify
from orchestrator.errors import RecordError
from orchestrator.store.files import sync

PART = ".part"
"""Ends the names of folders that are being written."""

Holding = Callable[[], AbstractContextManager[None]]
"""Gives contexts in which nobody can take the run over (`StageContext.holding`)."""

log = logging.getLogger(__name__)


def begin(checkpoints: Path, position: int) -> Path:
    """Make an empty folder for the files of a checkpoint at a position."""
    checkpoints.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix=f".{position}.", suffix=PART, dir=checkpoints))


def publish(
    part: Path, position: int, *, keep: int, also: Collection[int], holding: Holding
) -> Path:
    """Give a complete checkpoint its name, and remove all but the last `keep` up to it.

    A crash at any point leaves no folder of this name, or a complete one.

    Args:
        part: the folder that `begin` has made, filled.
        position: of the checkpoint.
        keep: how many stay, this one among them.
        also: positions of others that stay.
        holding: gives contexts in which nobody can take the run over.

    Raises:
        LeaseHeldError: if the run was taken over; what the other process wrote is untouched.
    """
    checkpoints = part.parent
    final = checkpoints / str(position)
    with holding():  # else whoever took the run over has cleared the part away
        part.chmod(0o755)  # the temporary folder's mode is for its owner alone
        if final.exists():  # it was found damaged, or training would not have come here again
            shutil.rmtree(final)
        part.rename(final)
        sync(checkpoints)
        _prune(checkpoints, keep=keep, also=also, latest=position)
    return final


def clear(checkpoints: Path, *, keep: int, latest: int, also: Collection[int] = ()) -> None:
    """Remove leftover parts, and all but the last `keep` checkpoints up to position `latest`.

    Those at the positions `also` stay.

    One beyond `latest` was found damaged, or training would have gone on from it. The caller
    makes sure that nobody can take the run over meanwhile.
    """
    if not checkpoints.is_dir():
        return
    for path in checkpoints.glob(f".*{PART}"):
        shutil.rmtree(path, ignore_errors=True)
    _prune(checkpoints, keep=keep, also=also, latest=latest)


def newest_valid(checkpoints: Path) -> Path | None:
    """Return the folder of the newest checkpoint that is what its manifest says; None if none is.

    A damaged one is named in the log and passed over for the one before it.
    """
    for position in reversed(positions(checkpoints)):
        folder = checkpoints / str(position)
        try:
            verify(folder)
        except RecordError as error:
            pass_over(error)
        else:
            return folder
    return None


def pass_over(damage: RecordError) -> None:
    """Say in the log that a checkpoint is not gone on from."""
    log.warning("checkpoint passed over: %s", damage)


def positions(checkpoints: Path) -> list[int]:
    """Return the positions of all checkpoints, damaged ones too, in ascending order."""
    if not checkpoints.is_dir():
        return []
    return sorted(int(path.name) for path in checkpoints.iterdir() if path.name.isdecimal())


def _prune(checkpoints: Path, *, keep: int, also: Collection[int], latest: int) -> None:
    there = positions(checkpoints)
    kept = [position for position in there if position <= latest][-keep:]
    for position in there:
        if position not in kept and position not in also:
            shutil.rmtree(checkpoints / str(position))
