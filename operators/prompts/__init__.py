"""Prompts: points, boxes and words that choose among the masks of one picture."""
