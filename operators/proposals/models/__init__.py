"""Proposers that hold a model."""
