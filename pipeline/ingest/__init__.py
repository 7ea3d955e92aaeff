"""Ingest: reads sources, finds and embeds their regions, and commits the rows to the lake."""
