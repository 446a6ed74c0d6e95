"""Runs on a Slurm cluster: what its commands say, what is submitted, what became of it."""
