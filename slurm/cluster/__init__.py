"""A private Slurm of several nodes on one machine, below one folder, without root or systemd."""
