"""What a lake holds, whether it is sound, and whether two are equal."""
