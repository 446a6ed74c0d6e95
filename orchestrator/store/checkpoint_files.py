"""What checkpoints take on disk, and taking parts of them away. Knows names, not contents."""

import shutil
from pathlib import Path

from orchestrator.store.files import read_json, write_json
from orchestrator.store.layout import RunFolder

OPTIMIZER_FILE = "optimizer.safetensors"
"""A checkpoint's state of the optimizer."""

MANIFEST_FILE = "manifest.json"
"""Names a checkpoint's files: what it does not name is not part of it."""


def optimizer_bytes(folder: RunFolder) -> int:
    """Return what the optimizer's states of a run's checkpoints take."""
    return sum(path.stat().st_size for path in folder.checkpoints.glob(f"*/{OPTIMIZER_FILE}"))


def checkpoint_bytes(folder: RunFolder) -> int:
    """Return what a run's checkpoints take."""
    return sum(path.stat().st_size for path in folder.checkpoints.rglob("*") if path.is_file())


def remove_optimizer(folder: RunFolder) -> None:
    """Take the optimizer's state out of a run's checkpoints; they stay valid at every moment.

    Raises:
        RecordError: if a checkpoint's manifest cannot be read.
    """
    for path in folder.checkpoints.glob(f"*/{OPTIMIZER_FILE}"):
        _forget(path)
        path.unlink()


def remove_checkpoints(folder: RunFolder) -> None:
    """Remove a run's checkpoints."""
    shutil.rmtree(folder.checkpoints, ignore_errors=True)


def _forget(path: Path) -> None:
    manifest = path.with_name(MANIFEST_FILE)
    if manifest.exists():
        named = read_json(manifest)
        write_json(manifest, {name: facts for name, facts in named.items() if name != path.name})
