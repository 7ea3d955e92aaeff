"""The LanceDB lake: its tables, the one committer that writes them, its audit and its status."""
