"""Published weights by hub name, as data that may lie in the data root. Pure."""

from orchestrator.spec.source import DataSource

COLLECTION = "weights"
"""Collection of the data root that holds published weights."""

VERSION = "hub"
"""Its version: weights as the hub has them."""


def weights_source(name: str) -> DataSource:
    """Return where weights with this hub name lie: those of google/x in `weights-hub/google--x`."""
    return DataSource(name=f"{COLLECTION}/{name.replace('/', '--')}", version=VERSION)
