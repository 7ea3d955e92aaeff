"""From names of sources to rows in the lake."""
