"""Finds damaged files of a lake in a folder, removes what cannot be read, and marks what to read again."""
