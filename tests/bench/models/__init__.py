"""Models inside the pipeline beside the bare models."""
