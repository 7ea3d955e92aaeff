"""Proposers of static windows, which are the same for all frames of one shape."""
