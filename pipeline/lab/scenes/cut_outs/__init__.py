"""Generates pictures from objects cut out of real pictures along their masks, on plain and real backgrounds."""
