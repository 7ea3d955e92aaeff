"""Trains the head of the embedded model."""
