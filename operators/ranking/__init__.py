"""How candidates of a query are put in order: geometric distances and fused ranking."""
