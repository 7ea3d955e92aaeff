"""Encoders: pictures, regions and words as vectors of one space."""
