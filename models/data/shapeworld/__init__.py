"""A small world of coloured shapes, made from a seed: images, captions, text, questions."""

from models.data.shapeworld.config import ShapeworldConfig
from models.data.shapeworld.world import make

__all__ = ["ShapeworldConfig", "make"]
