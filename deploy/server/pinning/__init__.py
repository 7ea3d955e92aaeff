"""Pins over HTTP: shots that retention must keep, for a while or for ever."""
