"""Feeds over HTTP: their states, their last pictures, and the follower that runs beside the service."""
