"""Readers: from a file to timed pictures. Nothing here knows of shots, keyframes or the lake."""
