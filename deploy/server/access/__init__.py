"""Who asks: users with their roles and sources, sessions, and what each role may do."""
