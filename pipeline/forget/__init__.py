"""Erases sources, or spans of them, from a lake and from what RegionLake keeps beside it, and looks for traces."""
