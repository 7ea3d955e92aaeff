"""The plan: every setting on which rows depend."""
