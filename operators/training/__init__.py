"""Training of the small parts of models that RegionLake ships, from local folders."""
