"""Finds the files of checkpoints (`transformers`, open_clip, OpenAI) and reads them."""
