"""Encoders turn pictures, regions and texts into vectors of one space."""
