"""Status and audit of a lake, and comparison of two lakes."""
