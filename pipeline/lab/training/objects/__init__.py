"""Trains the head that finds objects in the levels of the embedded model."""
