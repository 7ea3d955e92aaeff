"""From rows to the lake: batches in order, on disk while it is out of reach, and upkeep beside them."""
