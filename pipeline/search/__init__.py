"""Questions to the lake: hot columns in memory, exact ranking, and the Ray actor around them."""
