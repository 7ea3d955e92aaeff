"""Tracking: matches the regions of each keyframe to those of the keyframes before it."""
