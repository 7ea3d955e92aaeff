"""The methods by which a search ranks frames, one idea a file, behind one interface."""
