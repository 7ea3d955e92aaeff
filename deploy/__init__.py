"""How people use RegionLake: the command line, the Python package, set-up scripts, pictures of hits."""
