"""Trains the parts of models that are RegionLake's own."""
