"""Upkeep: keeps a lake small and quick to read while it grows."""
