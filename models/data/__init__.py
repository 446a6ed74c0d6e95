"""Data sets in their published formats, and the order they are read in."""
