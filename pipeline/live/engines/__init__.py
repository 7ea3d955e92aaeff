"""What runs feeds and models: one process, or actors of Ray."""
