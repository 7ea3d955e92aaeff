"""Keyframes: which frames of a video are worth keeping."""
