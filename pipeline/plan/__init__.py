"""The plan: all settings that determine the rows of an ingest."""
