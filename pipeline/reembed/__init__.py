"""Another model's vectors of what a lake holds already."""
