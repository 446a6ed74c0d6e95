"""Puts downloaded images where a benchmark looks for them."""

import os
import shutil
from enum import StrEnum
from pathlib import Path

from orchestrator.errors import DataError
from orchestrator.store.files import replacing


class Placing(StrEnum):
    """How an image gets into a part."""

    LINK = "link"
    """A hard link; a copy where the file systems differ."""
    COPY = "copy"
    """A copy."""
    SYMLINK = "symlink"
    """A symbolic link: the download has to stay where it is."""


def place_image(source: Path, target: Path, placing: Placing) -> None:
    """Put one image in its place; one that is there already stays.

    Raises:
        DataError: if it cannot be read or written.
    """
    try:
        if _is_there(source, target, placing):
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        if placing is Placing.SYMLINK:
            target.symlink_to(source.absolute())
        elif placing is Placing.COPY or not _linked(source, target):
            with replacing(target) as temporary:
                shutil.copyfile(source, temporary)
    except OSError as error:
        raise DataError(
            f"the image cannot be put in its place ({error.strerror})",
            f"{source} -> {target}",
            "make room and let both folders be read and written",
        ) from error


def _is_there(source: Path, target: Path, placing: Placing) -> bool:
    if not target.is_symlink() and source.resolve() == target.resolve():
        return True  # the download lies in the part
    if target.is_symlink() is not (placing is Placing.SYMLINK) or not target.is_file():
        return False
    if source.samefile(target):
        return placing is not Placing.COPY
    return placing is not Placing.SYMLINK and source.stat().st_size == target.stat().st_size


def _linked(source: Path, target: Path) -> bool:
    try:
        os.link(source.resolve(), target)
    except OSError:
        return False
    return True
