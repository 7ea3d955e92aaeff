"""Evaluation: the figures that RegionLake claims, each made by one command from local folders."""
