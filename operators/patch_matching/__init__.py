"""Where a part of one frame is found in others, by their patch vectors."""
