"""The one writer of a lake, and what it does to the tables."""
