"""Motion before a fixed camera: the background over a window of time, and the difference of a frame from it."""
