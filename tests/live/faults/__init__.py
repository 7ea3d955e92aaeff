"""Faults at random against feeds that are followed: `python -m tests.live.faults`."""
