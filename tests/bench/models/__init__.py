"""Models inside the pipeline, compared with the bare models."""
