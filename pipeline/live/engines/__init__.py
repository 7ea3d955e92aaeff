"""Engines that run feeds and models: in one process, or as actors of Ray."""
