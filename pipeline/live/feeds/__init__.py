"""Streams and folders that are followed: opened, supervised, cut into segments, and thinned while they wait."""
