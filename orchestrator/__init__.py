"""What to run, and seeing that it runs. No torch anywhere in it."""
