"""From the name of a source to the keyframes of its segments, read by a process that can be killed."""
