"""Trains words from what people say of regions."""
