"""Masks of regions: their run-length encoding, and how masks are made for boxes."""
