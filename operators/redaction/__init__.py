"""Covers parts of frames for good: where things are between keyframes, and what is shown instead of them."""
