"""Finding everything that is wrong with a data set, each thing with its file and its place."""

from models.data.checking.run import check

__all__ = ["check"]
