"""How the stages of an ingest run: in one process, or as pools of actors on Ray."""
