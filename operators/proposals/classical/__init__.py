"""Proposers that examine pixels without trained weights."""
