"""What runs inside a job: the entry, the lease, signals and progress."""
