"""Region proposals: boxes of a keyframe that may contain an object of any kind."""
