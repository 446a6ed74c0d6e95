"""Making a shapeworld: everything that its config names, in published formats, in one folder."""

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from models.data.shapeworld.config import ShapeworldConfig
from models.data.shapeworld.writer import Report, WorldWriter
from orchestrator.errors import DataError
from orchestrator.spec.codec import decode, encode
from orchestrator.store.files import write_json

COMPLETE = "dataset.json"
"""Written last; a folder with it is whole."""


def make(options: Mapping[str, object], folder: Path, report: Report) -> None:
    """Make a shapeworld in `folder`, whole or not at all.

    The same options give the same bytes. A folder that is complete is left as it is.

    Args:
        options: fields of `ShapeworldConfig`.
        folder: the collection's folder, `<data root>/<collection>-<version>`.
        report: called with a line about each part as it is begun.

    Raises:
        ConfigError: if an option is unknown, missing or out of range.
        DataError: if `folder` holds something that is no complete data set.
    """
    config = decode(ShapeworldConfig, options)
    if _is_complete(folder):
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        counts = WorldWriter(config, temporary, report).write()
        write_json(
            temporary / COMPLETE,
            {"recipe": "shapeworld", "options": encode(config), "counts": counts},
        )
        temporary.chmod(0o755)
        os.sync()  # thousands of files: one call instead of one for each
        if not _is_complete(folder):  # another process may have made the same
            temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _is_complete(folder: Path) -> bool:
    if (folder / COMPLETE).is_file():
        return True
    if folder.exists() and any(folder.iterdir()):
        raise DataError(
            f"the folder has files but no {COMPLETE}",
            where=str(folder),
            mend="move it away; data sets are made whole or not at all",
        )
    return False
