"""The one writer of a lake, and its changes of the tables."""
