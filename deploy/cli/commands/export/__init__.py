"""`regionlake export`, one file for each kind of thing that is exported."""
