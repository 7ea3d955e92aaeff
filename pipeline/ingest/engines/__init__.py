"""Engines that run the stages of an ingest: in one process, or as pools of actors on Ray."""
