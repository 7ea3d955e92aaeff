"""Answers, hits and feeds as tables, for terminals, files and other programs."""
