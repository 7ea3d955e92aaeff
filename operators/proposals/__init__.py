"""Region proposals: where in a keyframe something may be, whatever it is."""
