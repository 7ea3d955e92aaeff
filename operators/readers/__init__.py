"""Readers turn files and streams into timed pictures. They know nothing of shots, keyframes or the lake."""
