"""Exports, which the page makes of what it shows."""
