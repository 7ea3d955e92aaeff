"""Feeds that never end: read, supervised, shared out among the models, and committed as they come."""
