"""Benchmarks, prompts and metrics."""
