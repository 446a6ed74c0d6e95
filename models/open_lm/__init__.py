"""OpenLM: its checkpoints in and out, and its own trainer for a study's trunks."""
