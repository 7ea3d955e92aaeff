"""The subcommands of `regionlake`, one a file."""
