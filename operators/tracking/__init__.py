"""Regions that show the same thing from keyframe to keyframe."""
