"""Standing queries: asked once, and answered whenever the lake gets something that fits (`regionlake watch`)."""
