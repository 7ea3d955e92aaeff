"""Redaction: which parts of which frames are covered, from the rows of a lake."""
