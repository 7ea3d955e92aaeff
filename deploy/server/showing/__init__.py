"""What the service shows of a lake besides hits: its sources, keyframes, counts and state."""
