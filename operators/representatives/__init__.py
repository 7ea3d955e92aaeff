"""Many vectors of a frame as few."""
