"""The columns of a lake that a searcher keeps in memory, and how they follow the lake."""
