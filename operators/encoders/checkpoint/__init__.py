"""Encoders that run a checkpoint: those of `transformers`, open_clip and OpenAI, each family in its own way."""
