"""Shots: the events at which a detector fires, and the cuts that follow from them."""
