"""The training loop, optimizer, and checkpoints."""
