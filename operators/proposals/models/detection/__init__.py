"""Detectors of `transformers` with fixed classes or an open vocabulary: they find boxes with names in pixels."""
