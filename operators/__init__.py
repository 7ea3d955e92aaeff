"""One idea a file: readers, shots, keyframes, proposals, encoders, ranking. No Ray, no lake."""
