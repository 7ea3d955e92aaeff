"""Re-embedding: vectors of another model for the keyframes and regions of a lake."""
