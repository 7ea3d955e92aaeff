"""Training of 256-bit codes."""
