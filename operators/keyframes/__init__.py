"""Keyframes: the choice of the frames of a video that are worth keeping."""
