"""Makes the published figures of RegionLake, each by one command from local folders."""
