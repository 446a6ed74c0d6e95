"""Start runs and watch them: local processes today, a cluster through submitit."""
