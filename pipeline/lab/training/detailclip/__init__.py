"""Training of DetailCLIP's fusion."""
