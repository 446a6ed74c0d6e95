"""The engine that fits laws to results."""
