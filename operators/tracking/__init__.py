"""Which region of one keyframe is which of the next."""
