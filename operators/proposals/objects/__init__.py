"""Objects, found by a small head in the levels of the embedded model."""
