"""Shots: frames at which a detector fires, and the cuts that follow from all of them."""
