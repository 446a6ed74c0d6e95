"""Benchmarks from their published files: one reader per data set, one command for all."""

from models.data.benchmarks.prepare import prepare, published

__all__ = ["prepare", "published"]
