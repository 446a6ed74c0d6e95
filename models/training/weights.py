"""Which published weights lie in the data root; the others are the hub's to give."""

from pathlib import Path

from orchestrator.errors import DataError
from orchestrator.spec.model import VisionConfig
from orchestrator.spec.weights import weights_source
from orchestrator.store.stage import StageContext


def weights_folders(context: StageContext, vision: VisionConfig | None) -> dict[str, Path]:
    """Return the folders of an encoder's published weights that the data root holds, by hub name.

    Args:
        context: knows where data lies.
        vision: the encoder; None for a model of text alone.
    """
    folders: dict[str, Path] = {}
    for name in () if vision is None else vision.weights:
        try:
            folder = context.data(weights_source(name))
        except DataError:  # the run was launched where they were not in the data root
            continue
        if folder.is_dir():
            folders[name] = folder
    return folders
