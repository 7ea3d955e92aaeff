"""Generates pictures of three-dimensional shapes with known colour and finish, rendered on a floor."""
