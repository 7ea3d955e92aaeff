"""The `regionlake` command: one module for each subcommand."""
