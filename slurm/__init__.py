"""Cluster profiles, and a real Slurm on one machine for tests and rehearsals."""
