"""The methods by which a search ranks frames, behind one interface."""
