"""Searches of a lake: its columns in memory, exact ranking, and the Ray actor around them."""
