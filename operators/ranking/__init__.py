"""Orders the candidates of a query: geometric distances and fused ranking."""
