"""Data sets on local folders, each layout read by a file of its own into one type."""
