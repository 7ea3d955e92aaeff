"""Finds sources and reads the keyframes of their segments, in a child process that can be killed."""
