"""Three-dimensional shapes of known colour and finish, rendered on a floor."""
