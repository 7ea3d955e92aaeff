"""What moves before a camera: the background of a window of time, and the distance of a frame to it."""
