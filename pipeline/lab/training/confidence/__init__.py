"""Calibrates a model: its cosines become chances."""
