"""Generates fully annotated pictures of real objects or of rendered shapes, to measure search for small objects."""
