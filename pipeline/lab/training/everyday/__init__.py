"""Training of the embedded model's head."""
