"""Checkpoints of `transformers` and open_clip: where their files are, and how they are read."""
