"""The subcommands of `regionlake`, one in each file."""
