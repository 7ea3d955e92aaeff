"""Finds a part of one frame in other frames by their patch vectors."""
