"""Regions of a lake as data sets that other tools open, with their pictures."""
