"""Trains DetailCLIP's fusion."""
