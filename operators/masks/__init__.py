"""Masks of regions: run lengths, and how a box gets its mask."""
