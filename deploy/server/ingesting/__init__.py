"""Ingests over HTTP: of folders that the service was started with, and their progress as it happens."""
