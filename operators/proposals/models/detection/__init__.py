"""Detectors of `transformers`, of fixed classes and of an open vocabulary: pixels in, boxes with names out."""
