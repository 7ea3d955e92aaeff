"""The `regionlake` command: one module a subcommand."""
