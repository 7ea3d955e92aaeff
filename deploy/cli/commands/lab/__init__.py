"""Commands that train, generate and evaluate."""
