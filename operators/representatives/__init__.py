"""Representatives: a few vectors in place of the many patch vectors of a frame."""
