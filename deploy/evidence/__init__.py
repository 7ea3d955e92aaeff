"""Evidence: a zip of clips, stills and rows whose manifest is signed, and its verification."""
