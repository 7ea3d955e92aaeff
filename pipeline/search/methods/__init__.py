"""The ways in which a search ranks frames, one idea a file, behind one interface."""
