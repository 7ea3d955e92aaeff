"""Trains 256-bit codes of regions."""
