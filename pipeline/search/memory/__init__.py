"""What a searcher keeps in memory of a lake, and how it follows the lake."""
