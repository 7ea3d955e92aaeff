"""Searches over HTTP: from JSON to a query, and from its answer to JSON."""
