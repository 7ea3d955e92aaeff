"""Proposers that run a trained model."""
