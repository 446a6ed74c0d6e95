"""From results to curves."""
