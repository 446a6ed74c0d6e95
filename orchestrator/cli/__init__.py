"""The sweep command: one file for each subcommand."""
