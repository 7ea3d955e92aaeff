"""Prompts: points, boxes and words that select among the masks of one picture."""
