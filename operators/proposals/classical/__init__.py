"""Proposers that look at pixels and need no weights."""
